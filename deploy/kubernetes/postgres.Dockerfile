# PostgreSQL for CloudNativePG with TimescaleDB, the Apache-2 edition, from Debian:
#   docker build -f deploy/kubernetes/postgres.Dockerfile -t tonne-postgres:17 \
#     --build-arg BASE=IMAGE deploy/kubernetes
# IMAGE is CloudNativePG's own of PostgreSQL 17 on Debian 13 (17-minimal-trixie), with the address that
# its documentation names.
ARG BASE=cloudnative-pg/postgresql:17-minimal-trixie
FROM ${BASE}
# hadolint ignore=DL3002
USER root
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-17-timescaledb \
 && rm -rf /var/lib/apt/lists/*
USER 26
