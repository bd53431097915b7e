# One image for every part: `docker run kopfka broker …`. Builds with the classic builder as well as with BuildKit.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python3 -m venv /opt/kopfka
COPY requirements.lock .
RUN /opt/kopfka/bin/pip install --no-cache-dir --quiet --require-hashes -r requirements.lock
# the broker's hottest function in C, where the base image can build it (Python's headers): it runs without
COPY native native
RUN if [ -e "$(/opt/kopfka/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; then \
      apt-get update -qq \
      && apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null \
      && /opt/kopfka/bin/pip install --no-cache-dir --quiet --no-deps ./native; \
    else echo "no Python.h in the base image: without kopfka-native"; fi
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
