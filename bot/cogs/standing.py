"""How far a job is: what its updates have told so far. Pure; the deliveries keep one for each job under way."""

from dataclasses import dataclass, replace

from bot.requests import Preview, PreviewImage, Update


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """update: the last one that was no Preview. pictures: the newest preview of each image that had one, by index."""

    update: Update
    pictures: tuple[PreviewImage, ...] = ()

    def after(self, update: Update) -> "Standing":
        """With one more update."""
        if not isinstance(update, Preview):
            return replace(self, update=update)
        newest = {picture.index: picture for picture in (*self.pictures, *update.images)}
        return replace(self, pictures=tuple(newest[index] for index in sorted(newest)))
