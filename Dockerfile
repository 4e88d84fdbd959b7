# The image holds one static binary and its licence: no shell, no libraries, no certificates.
#
#   docker build --build-arg VERSION=1.2.3 --build-arg COMMIT="$(git rev-parse HEAD)" -t channelserver .
#   docker run --rm -p 8000:8000 channelserver --max_exchanges 20
#
# Settings are arguments or PAIR_* variables. A database of places is found at
# /mmdb/latest/GeoLite2-City.mmdb when it is mounted there. The admin listener answers inside the
# container only, unless PAIR_ADMIN_ADDR is 0.0.0.0:8001; then keep strangers from that port. After
# SIGTERM the server waits for its channels (drain_timeout), so give it more than the usual 10
# seconds: docker stop --time 310.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
ARG COMMIT=
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags="-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
    -o /out/channelserver ./cmd/channelserver

FROM scratch
ARG VERSION=
ARG COMMIT=
LABEL org.opencontainers.image.title="channelserver" \
      org.opencontainers.image.description="A relay through which devices pair" \
      org.opencontainers.image.licenses="MPL-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /out/channelserver /channelserver
COPY LICENSE /LICENSE
USER 10001:10001
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/channelserver", "healthcheck"]
ENTRYPOINT ["/channelserver"]
