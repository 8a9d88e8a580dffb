# The quick sweep in a container:
#
#   docker build -t dabench .
#   docker run --rm -v "$PWD/runs:/dabench/runs" dabench
#
# Any other command: docker run --rm dabench .venv/bin/dabench list
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /dabench
COPY . .
RUN make .venv/.installed
CMD ["make", "quick"]
