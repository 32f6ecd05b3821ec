# Clean Debian file systems, for scripts that run something in them as root; each sources this. Mirrors, proxies, registries and
# certificates are those that this machine is set up for.
# shellcheck shell=bash

# Makes a minimal Debian, whole or not at all; FOLDER.log says what debootstrap did.
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

# Lets what runs in ROOT reach what this machine reaches: its name server, proxies and certificates. The latter come to
# /run/host/ca.crt, which is meant to be a tmpfs where the root is to stay clean.
share_network() { # ROOT
  mkdir -p "$1/run/host"
  cp --remove-destination -L /etc/resolv.conf "$1/etc/resolv.conf"
  cp -L /etc/ssl/certs/ca-certificates.crt "$1/run/host/ca.crt"
}
share_apt_settings() { # ROOT
  apt-config dump | grep -E '^Acquire::(https?|Check-Date|Check-Valid-Until)\b' >"$1/etc/apt/apt.conf.d/90host" || true
}

# NAME=VALUE words for env: how npm and others find their way out, after share_network.
network_environment() {
  local name
  printf '%s\n' npm_config_cafile=/run/host/ca.crt "npm_config_registry=$(npm config get registry 2>/dev/null)"
  for name in http_proxy https_proxy no_proxy; do [ -z "${!name:-}" ] || printf '%s=%s\n' "$name" "${!name}"; done
}

# This machine's Node.js with its headers and npm, as they lie in Node's own image.
copy_node() { # ROOT
  local node prefix
  node=$(readlink -f "$(command -v node)")
  prefix=$(dirname "$(dirname "$node")")
  mkdir -p "$1"/usr/local/{bin,include,lib/node_modules}
  cp "$node" "$1/usr/local/bin/node"
  cp -r "$prefix/include/node" "$1/usr/local/include/node"
  cp -r "$prefix/lib/node_modules/npm" "$1/usr/local/lib/node_modules/npm"
}

# What git would have of this clone, changes included, one name after each NUL character.
clone_files() { git ls-files -coz --exclude-standard | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done; }
