# Delgate in front of a registry that runs in another container. Settings: config/docker.yml, then DELGATE_… variables.

FROM node:24-alpine AS packages
WORKDIR /delgate
COPY package.json package-lock.json .npmrc ./

FROM packages AS dependencies
RUN npm ci --omit=dev --ignore-scripts

FROM packages AS build
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build-page.mjs scripts/
COPY src src
RUN npm run build

FROM node:24-alpine
WORKDIR /delgate
ENV NODE_ENV=production
COPY package.json ./
COPY --from=dependencies /delgate/node_modules node_modules
COPY --from=build /delgate/dist dist
COPY config config
COPY docs/openapi.yaml docs/
# docker exec CONTAINER delgate ls
RUN mkdir -p /usr/local/bin && ln -s /delgate/dist/main.js /usr/local/bin/delgate
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; const ask = scheme => fetch(scheme + '://127.0.0.1:' + (process.env.DELGATE_LISTEN_PORT || process.env.DELGATE_PORT || 5000) + '/healthz').then(answer => answer.ok || Promise.reject(answer)); ask('http').catch(() => ask('https')).then(() => process.exit(0), () => process.exit(1))"]
# As root: the registry's files belong to root in the official images, and so does the engine's socket.
ENTRYPOINT ["node", "/delgate/dist/main.js"]
# A command instead of this is one of the client's: docker run IMAGE ls --url http://…
CMD ["--config", "config/docker.yml"]
