# openbook serve: web page, HTTP API, OpenAI-compatible API and MCP on port 8080.
#
#   docker build --tag openbook .
#   docker run --init -p 127.0.0.1:8080:8080 -v openbook:/data -v "$PWD/documents":/documents:ro \
#       -e OPENBOOK_TOKEN="$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')" openbook
#
# Without OPENBOOK_TOKEN one is made at each start and printed to the container's log.

# Everything that building needs and running does not stays in this stage.
FROM python:3.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1

RUN python -m venv /opt/openbook
ENV PATH=/opt/openbook/bin:${PATH}

WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --constraint constraints.txt ".[serve,metrics]"

# The embedding model is part of the image: a container needs no network to start.
ENV OPENBOOK_CACHE=/opt/openbook/cache
RUN openbook model install && openbook model list

# Compiled once here, because the container's file system is read-only later.
RUN python -m compileall -q /opt/openbook/lib


FROM python:3.13-slim-bookworm AS run

RUN groupadd --system --gid 10001 openbook \
    && useradd --system --uid 10001 --gid openbook --no-create-home --home-dir /data --shell /usr/sbin/nologin openbook \
    && install --directory --owner openbook --group openbook /data /documents

COPY --from=build /opt/openbook /opt/openbook

ENV PATH=/opt/openbook/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBOOK_CACHE=/opt/openbook/cache

USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/api/health', timeout=4)"]

ENTRYPOINT ["openbook"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--library", "/data/library.openbook", "--allow", "/documents", "--log-form", "json"]
