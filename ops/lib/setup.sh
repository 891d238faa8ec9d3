# What the scripts share: installing Debian packages that are missing. To be sourced.

build_packages=(libcurl4-openssl-dev libjwt-dev libnghttp2-dev libsqlite3-dev libssl-dev pkg-config)

# need COMMAND…: installs the package of the same name where the command is missing.
need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || install_packages "$command"
    done
}

# install_packages PACKAGE…: installs those that are not there. Ends the script with status 1 where it can't.
install_packages() {
    local package state missing=() as_root=()
    for package in "$@"; do
        state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || state=absent
        [[ $state == installed ]] || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return 0
    echo "== installing ${missing[*]}" >&2
    ((EUID == 0)) || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq >&2 || echo "apt-get update failed, going on with the old lists" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >/dev/null || {
        echo "${0##*/}: could not install ${missing[*]}; install them by hand" >&2
        exit 1
    }
}
