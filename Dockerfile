# The command `mooring` and what a worker needs: no compiler, no development stack, no package manager. Runs as nobody on a read-only root.
ARG BASE=python:3.13.14-slim-trixie
FROM ${BASE} AS base

FROM base AS wheel
WORKDIR /source
COPY requirements-build.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE worker.py ./
COPY mooring/ mooring/
COPY workflows/ workflows/
COPY activities/ activities/
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /wheel

FROM base AS installed
WORKDIR /build
RUN python -m venv --without-pip /opt/mooring
COPY requirements-worker.lock ./
RUN pip --python /opt/mooring/bin/python install --no-cache-dir --require-hashes --requirement requirements-worker.lock
COPY deploy/image/trim.sh ./
RUN sh trim.sh "$(/opt/mooring/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
COPY --from=wheel /wheel /wheel
RUN pip --python /opt/mooring/bin/python install --no-cache-dir --no-index --no-deps /wheel/*.whl

FROM base
ARG REVISION=""
LABEL org.opencontainers.image.title="Mooring" \
    org.opencontainers.image.description="Attaches CSI volumes to nodes as durable Temporal workflows and never loses track of who holds what." \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/mooring/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MOORING_HTTP_ADDRESS=0.0.0.0:9440
COPY --from=installed /opt/mooring /opt/mooring
# NB: a number, because Kubernetes can't tell that a name isn't root (runAsNonRoot).
USER 65532:65532
EXPOSE 9440
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9440/livez', timeout=2)"]
ENTRYPOINT ["mooring"]
CMD ["worker"]
