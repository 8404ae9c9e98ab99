# One image for api, worker and app. Built in two stages; runs as a user without rights.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/soi
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY backend backend
COPY dashboard dashboard
COPY review review
COPY db db
RUN /opt/soi/bin/pip install --no-cache-dir "torch==2.13.0" -c constraints.txt \
 && /opt/soi/bin/pip install --no-cache-dir ".[torch,redis,s3,grpc]" -c constraints.txt

FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libsndfile1 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 soi \
 && mkdir /data && chown soi:soi /data
COPY --from=build /opt/soi /opt/soi
USER soi
WORKDIR /home/soi
ENV PATH=/opt/soi/bin:$PATH SOI_DATA_DIR=/data SOI_HOST=0.0.0.0 PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8300
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8300/healthz', timeout=2)"]
CMD ["soi", "up"]
