# framescatter with all that a rank needs: Node.js, FFmpeg, Open MPI, ONNX Runtime, the addon, and ssh as the Kubeflow MPI
# Operator wants it (and perhaps Azure Machine Learning). Under Slurm (Apptainer) and on one machine nothing uses an ssh server.
#
#     docker build -t framescatter:cpu .
#     docker build -t framescatter:cuda --build-arg ACCELERATOR=cuda .
#     docker build -t framescatter:slurm --build-arg SSH_SERVER= .     # without an ssh server
#     docker build -t framescatter:aml --build-arg TELEMETRY=azure .    # with Microsoft's package for Application Insights
#
# It builds without BuildKit too, which `az acr build` does not have. docs/kubernetes.md says how it was checked.
ARG ACCELERATOR=cpu
ARG NODE_IMAGE=node:20.20.2-bookworm-slim
ARG CPU_IMAGE=debian:12.13-slim
ARG CUDA_IMAGE=nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
ARG SSH_SERVER=openssh-server

FROM ${NODE_IMAGE} AS node
FROM ${CPU_IMAGE} AS base-cpu
FROM ${CUDA_IMAGE} AS base-cuda

FROM base-${ACCELERATOR} AS runtime
ARG SSH_SERVER
# Versions are the base's own: Debian and Ubuntu serve only the newest of each package. The ssh server's package makes host
# keys, which no image may carry; a job's own come with it.
# hadolint ignore=DL3008
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates ffmpeg openmpi-bin openssh-client ${SSH_SERVER} \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*
COPY --from=node /usr/local/bin/node /usr/local/bin/node

FROM runtime AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends g++ libopenmpi-dev make python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=node /usr/local/include/node /usr/local/include/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY binding.gyp ./
COPY native native/
COPY scripts/setup-cuda.sh scripts/install.mjs scripts/
ARG ACCELERATOR
RUN if [ "$ACCELERATOR" = cuda ]; then bash scripts/setup-cuda.sh; fi
RUN node scripts/install.mjs
COPY tsconfig.json ./
COPY src src/
RUN npm run build:ts && chmod 755 dist/main.js
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund
ARG TELEMETRY=
ARG MONITOR_VERSION=1.21.0
RUN if [ "$TELEMETRY" = azure ]; then \
      npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund "@azure/monitor-opentelemetry@$MONITOR_VERSION"; \
    fi

FROM runtime
# 1000 is the user of the MPI Operator's examples; Ubuntu's images have given it to one of their own.
RUN if getent passwd ubuntu >/dev/null; then userdel --remove ubuntu; fi \
 && useradd --uid 1000 --user-group --create-home --shell /bin/bash mpiuser \
 && install -d -o mpiuser -g mpiuser /data \
 && install -d -o mpiuser -g mpiuser -m 700 /home/mpiuser/.ssh
COPY k8s/image/ssh_config /etc/ssh/ssh_config.d/framescatter.conf
COPY k8s/image/sshd_config /home/mpiuser/.sshd_config
# sshd gives the ranks that mpirun starts through it this environment, not the container's. And ranks of one container may
# not read each other's memory, as Open MPI would: containers forbid it.
RUN printf 'SetEnv PATH=%s%s\n' "$PATH" "${LD_LIBRARY_PATH:+ LD_LIBRARY_PATH=$LD_LIBRARY_PATH}" >>/home/mpiuser/.sshd_config \
 && printf '\nbtl_vader_single_copy_mechanism = none\n' >>/etc/openmpi/openmpi-mca-params.conf
COPY --from=build /build/node_modules /opt/framescatter/node_modules
COPY --from=build /build/build/Release/framescatter.node /opt/framescatter/build/Release/framescatter.node
COPY --from=build /build/dist /opt/framescatter/dist
COPY models /opt/framescatter/models
COPY k8s /opt/framescatter/k8s
COPY package.json LICENSE /opt/framescatter/
RUN chmod 755 /opt/framescatter/k8s/image/*.sh && ln -s /opt/framescatter/dist/main.js /usr/local/bin/framescatter
# Open MPI refuses root unless told otherwise; Azure Machine Learning runs its jobs as root.
ENV OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# The driver's libraries that NVIDIA's container runtime puts into the container: video is NVDEC's and NVENC's (--hwaccel).
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
ARG RUN_AS=mpiuser
USER ${RUN_AS}
WORKDIR /home/mpiuser
ARG SSH_SERVER
RUN /opt/framescatter/k8s/image/check.sh
CMD ["framescatter", "--help"]
