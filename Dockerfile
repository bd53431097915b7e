# One image for every part: `docker run kopfka broker …`. Builds with the classic builder as well as with BuildKit.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python3 -m venv /opt/kopfka
COPY requirements.lock .
RUN /opt/kopfka/bin/pip install --no-cache-dir --quiet --require-hashes -r requirements.lock
COPY . .
RUN /opt/kopfka/bin/pip install --no-cache-dir --quiet --no-deps . \
 && /opt/kopfka/bin/pip uninstall --quiet --yes pip setuptools \
 && /opt/kopfka/bin/python -m compileall -q /opt/kopfka/lib

FROM python:3.11-slim-bookworm
COPY --from=build /opt/kopfka /opt/kopfka
# nothing is written outside mounted volumes, so the root file system may be read-only
ENV PATH=/opt/kopfka/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 1000:1000
EXPOSE 9092 9093 9094 9404
ENTRYPOINT ["kopfka"]
CMD ["--help"]
