# The worker and nothing else: no compiler, no development stack, no package manager's cache; runs as nobody on a read-only root.
FROM python:3.13.14-slim-trixie AS base

FROM base AS dependencies
WORKDIR /build
COPY requirements-worker.lock ./
RUN python -m venv /opt/mooring \
    && /opt/mooring/bin/pip install --no-cache-dir --require-hashes --requirement requirements-worker.lock

FROM base
ENV PATH=/opt/mooring/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MOORING_HTTP_ADDRESS=0.0.0.0:9440
WORKDIR /app
COPY --from=dependencies /opt/mooring /opt/mooring
COPY mooring/ mooring/
COPY workflows/ workflows/
COPY activities/ activities/
COPY worker.py ./
# NB: a number, because Kubernetes can't tell that a name isn't root (runAsNonRoot).
USER 65532:65532
EXPOSE 9440
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9440/livez', timeout=2)"]
ENTRYPOINT ["python", "worker.py"]
