# Creates clean Debian file systems for scripts that run commands in them as root. Other scripts source this.
# Uses the mirrors, proxies, registries and certificates of this machine.
# shellcheck shell=bash

# Creates a minimal Debian, atomically; FOLDER.log is the log of debootstrap.
make_debian() { # SUITE FOLDER
  local suite=$1 folder=$2 sites mirror security
  sites=$(apt-get indextargets --format '$(SITE)' 2>/dev/null) || true
  mirror=$(grep -m 1 '/debian/*$' <<<"$sites") || true
  security=$(grep -m 1 '/debian-security/*$' <<<"$sites") || true
  rm -rf "$folder" "$folder.new"
  debootstrap --variant=minbase "$suite" "$folder.new" ${mirror:+"$mirror"} >"$folder.log" 2>&1 || return 1
  [ -z "$security" ] || printf 'deb %s %s-security main\n' "$security" "$suite" >>"$folder.new/etc/apt/sources.list"
  mv "$folder.new" "$folder"
}

# Gives ROOT the network settings of this machine: name server, proxies and certificates. The certificates go
# to /run/host/ca.crt; mount a tmpfs there to keep the root clean.
share_network() { # ROOT
  mkdir -p "$1/run/host"
  cp --remove-destination -L /etc/resolv.conf "$1/etc/resolv.conf"
  cp -L /etc/ssl/certs/ca-certificates.crt "$1/run/host/ca.crt"
}
share_apt_settings() { # ROOT
  apt-config dump | grep -E '^Acquire::(https?|Check-Date|Check-Valid-Until)\b' >"$1/etc/apt/apt.conf.d/90host" || true
}

# Prints NAME=VALUE arguments for env with the network settings of npm and others, after share_network.
network_environment() {
  local name
  printf '%s\n' npm_config_cafile=/run/host/ca.crt "npm_config_registry=$(npm config get registry 2>/dev/null)"
  for name in http_proxy https_proxy no_proxy; do [ -z "${!name:-}" ] || printf '%s=%s\n' "$name" "${!name}"; done
}

# Copies this machine's Node.js, its headers and npm, to the paths of Node's image.
copy_node() { # ROOT
  local node prefix
  node=$(readlink -f "$(command -v node)")
  prefix=$(dirname "$(dirname "$node")")
  mkdir -p "$1"/usr/local/{bin,include,lib/node_modules}
  cp "$node" "$1/usr/local/bin/node"
  cp -r "$prefix/include/node" "$1/usr/local/include/node"
  cp -r "$prefix/lib/node_modules/npm" "$1/usr/local/lib/node_modules/npm"
}

# Prints the files of this clone that git tracks or would add, NUL-terminated.
clone_files() { git ls-files -coz --exclude-standard | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done; }
