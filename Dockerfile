# One static program, certificates of authorities for wss:// backends, and nothing else.
#
#   docker build -t sockjs-gateway .
#   docker run -p 8081:8081 sockjs-gateway --listen 0.0.0.0:8081 --to ws://backend:9000/socket
#   docker run -p 8081:8081 -v "$PWD/gateway.toml:/etc/sockjs-gateway/gateway.toml:ro" sockjs-gateway
#
# docs/install.md has the rest.
FROM docker.io/library/rust:1.95-alpine AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /source
COPY . .
# On Alpine the compiler's own target is musl, and programs are static.
RUN cargo build --release --locked --bin sockjs-gateway \
    && install -s target/release/sockjs-gateway /sockjs-gateway

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sockjs-gateway /
USER 65534:65534
EXPOSE 8081
ENTRYPOINT ["/sockjs-gateway"]
CMD ["run", "--config", "/etc/sockjs-gateway/gateway.toml"]
