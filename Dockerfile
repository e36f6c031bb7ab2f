# docker build -t dalle-bot .                                       for a CPU
# docker build -t dalle-bot --build-arg EXTRAS=cuda .               for NVIDIA GPUs; the host brings the driver
# BASE is any image with Python 3.11 or newer, its venv module and useradd; for EXTRAS=postgres with apt-get, too.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ARG EXTRAS=""
# Dependencies first, with an empty package: they change seldom, so the next build finds this layer in its cache.
WORKDIR /dependencies
COPY pyproject.toml README.md LICENSE ./
RUN mkdir bot \
    && touch bot/__init__.py \
    && python3 -m venv /opt/dalle-bot \
    && /opt/dalle-bot/bin/pip install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
RUN /opt/dalle-bot/bin/pip install --no-cache-dir --no-deps --force-reinstall .

FROM ${BASE}
ARG EXTRAS=""
# Backups of PostgreSQL are made by its own programs, which must be as new as the server.
RUN case ",${EXTRAS}," in \
    *,postgres,*) \
        apt-get update \
        && apt-get install --yes --no-install-recommends postgresql-client \
        && rm -rf /var/lib/apt/lists/* ;; \
    esac
RUN useradd --uid 10001 --create-home bot \
    && install --directory --owner=bot --group=bot /data
COPY --from=build /opt/dalle-bot /opt/dalle-bot
# Everything that must outlive a container: database, compiled code, downloaded weights, and config.toml if there is one.
ENV PATH=/opt/dalle-bot/bin:$PATH \
    DALLE_BOT_DATA_DIR=/data \
    HF_HOME=/data/hub \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["dalle-bot"]
CMD ["run"]
