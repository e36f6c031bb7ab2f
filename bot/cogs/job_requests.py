"""From a stored job to the request that it was, for doing it again and for making others of it. Pure."""

from bot.requests import GenerationRequest, SamplingOverrides
from bot.store import JobRecord


def request_of(job: JobRecord) -> GenerationRequest:
    """What was asked, with the job's own id, without previews."""
    return GenerationRequest(
        prompt=job.prompt,
        num_images=job.num_images,
        seed=job.seed,
        requester=str(job.user_id),
        guild=str(job.guild_id),
        sampling=SamplingOverrides(job.condition_scale, job.top_k, job.top_p, job.temperature),
        negative_prompt=job.negative_prompt,
        image_tokens=job.image_tokens,
        codes_of=job.model or (job.result or {}).get("model") if job.image_tokens else None,
        job_id=job.id,
    )
