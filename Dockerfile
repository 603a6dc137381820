# One image for each service: docker build --target feed_cuckoo .
# Raise it with the others of its kind; a digest pins it wholly: --build-arg NODE=node:…@sha256:…
ARG NODE=node:22.23.3-bookworm-slim

# Only what names the packages, so that they are installed anew only when their list changes.
FROM ${NODE} AS manifests
WORKDIR /build
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete && find . -type d -empty -delete

FROM ${NODE} AS build
WORKDIR /build
COPY --from=manifests /build ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

# Each service is a single file that needs Node and nothing else; one has the SQLite driver's binding beside it.
FROM ${NODE} AS runtime
ENV NODE_ENV=production
# Volumes that are mounted here take over owner and mode.
RUN for folder in tmp dump cluster; do install -d -o node -g node -m 0700 "/var/lib/cuckoo_distributed/$folder"; done
USER node
# A service reads <service>.conf.json in its working directory.
WORKDIR /etc/cuckoo_distributed

FROM runtime AS feed_cuckoo
COPY --from=build /build/services/feed_cuckoo/dist/feed_cuckoo.mjs /usr/local/lib/cuckoo_distributed/
ENTRYPOINT ["node", "/usr/local/lib/cuckoo_distributed/feed_cuckoo.mjs"]

FROM runtime AS check_results
COPY --from=build /build/services/check_results/dist/check_results.mjs /usr/local/lib/cuckoo_distributed/
ENTRYPOINT ["node", "/usr/local/lib/cuckoo_distributed/check_results.mjs"]

FROM runtime AS parse_and_submit
COPY --from=build /build/services/parse_and_submit/dist/parse_and_submit.mjs /usr/local/lib/cuckoo_distributed/
ENTRYPOINT ["node", "/usr/local/lib/cuckoo_distributed/parse_and_submit.mjs"]

FROM runtime AS overseer
COPY --from=build /build/services/overseer/dist/overseer.mjs /usr/local/lib/cuckoo_distributed/
ENTRYPOINT ["node", "/usr/local/lib/cuckoo_distributed/overseer.mjs"]

# The SQLite driver's native binding lies beside it.
FROM runtime AS distributed_cuckoo
COPY --from=build /build/services/distributed_cuckoo/dist/ /usr/local/lib/cuckoo_distributed/
ENTRYPOINT ["node", "/usr/local/lib/cuckoo_distributed/distributed_cuckoo.mjs"]
