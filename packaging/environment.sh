# Shared by packaging/demo and packaging/test, which source it: the system libraries, .venv and the demo's model.
# Each function says what it does, does it once, and is quick the next time.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What Qt and the pages need, as "a file that shows it is there" and "the Debian and Ubuntu package that brings it".
QT_NEEDS="
libEGL.so.1 libegl1
libGL.so.1 libgl1
libxkbcommon.so.0 libxkbcommon0
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libglib-2.0.so.0 libglib2.0-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-randr.so.0 libxcb-randr0
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
libxcb-sync.so.1 libxcb-sync1
libxcb-xfixes.so.0 libxcb-xfixes0
libxcb-xkb.so.1 libxcb-xkb1
DejaVuSans.ttf fonts-dejavu-core
Inter-Regular fonts-inter
NotoColorEmoji.ttf fonts-noto-color-emoji
NotoSansCJK-Regular.ttc fonts-noto-cjk
"

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

# The packages of QT_NEEDS that are not there, whatever the distribution calls them.
missing_packages() {
    local there file package
    there=$(/sbin/ldconfig -p 2>/dev/null; find /usr/share/fonts /usr/local/share/fonts "$HOME/.local/share/fonts" -type f 2>/dev/null || true)
    while read -r file package; do
        [[ -z $file || $there == *"$file"* ]] || printf '%s ' "$package"
    done <<<"$QT_NEEDS"
}

# Install Debian packages, as root or through sudo, saying which. Fails where that is not possible.
apt_install() {
    local package as_root=(env DEBIAN_FRONTEND=noninteractive)
    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null || return 1
        as_root=(sudo env DEBIAN_FRONTEND=noninteractive)
        [[ -t 0 ]] || as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive) # nobody is there to type a password
    fi
    local install=("${as_root[@]}" apt-get install -y -qq --no-install-recommends)
    say "Installing with apt-get: $*"
    "${as_root[@]}" apt-get update -qq >&2 || return 1
    "${install[@]}" "$@" >&2 && return 0
    for package in "$@"; do # one that this release does not have must not keep the others away
        "${install[@]}" "$package" >&2 || true
    done
}

# The libraries and fonts of the window. Without them set-up goes on: another desktop may have them elsewhere.
ensure_system_libraries() {
    local missing
    [[ $(uname) == Linux ]] || return 0
    missing=$(missing_packages)
    [[ -n $missing ]] || return 0
    if command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086 # one word for each package
        apt_install $missing || true
        missing=$(missing_packages)
        [[ -n $missing ]] || return 0
    fi
    say "These were not found: $missing(Debian's names; your system may have them under others)." \
        "The window needs the libraries, and text in other scripts the fonts. Going on without them."
}

# The interpreter for .venv: the one that `python3` is, if it will do, else the newest other. Python 3.15 and later wait
# until the libraries have been tried with them.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            printf '%s' "$name"
            return 0
        fi
    done
    return 1
}

ensure_python() {
    python=$(find_python) && return 0
    if command -v apt-get >/dev/null; then
        apt_install python3 python3-venv || true
        python=$(find_python) && return 0
    fi
    fail "Semascope needs Python 3.11 to 3.14 with its venv module (on Debian and Ubuntu: apt-get install python3 python3-venv)."
}

# All of pip's words go to stderr: stdout belongs to the program (`packaging/demo --json`).
pip_install() {
    .venv/bin/python -m pip install --disable-pip-version-check -c packaging/constraints.txt "$@" >&2
}

# torch on its own first, so that nothing else decides which build of it comes.
install_torch() {
    local cpu_build=(-c packaging/constraints-cpu.txt "torch==2.13.0+cpu")
    if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then
        say "An NVIDIA GPU was found: installing PyTorch with CUDA (some gigabytes)."
        pip_install torch
    elif [[ $(uname) != Linux ]]; then
        pip_install torch # its plain build is small there
    else
        say "No NVIDIA GPU was found: installing the CPU build of PyTorch."
        pip_install "${cpu_build[@]}" 2>/dev/null ||
            pip_install --extra-index-url https://download.pytorch.org/whl/cpu "${cpu_build[@]}" || {
            say "The CPU build can't be reached; taking the plain one."
            pip_install -c packaging/constraints-cpu.txt torch
        }
    fi
}

# .venv with Semascope in it, editable, so that .venv/bin/semascope is the command. $1: the extras, "" or "dev".
ensure_environment() {
    local extras=$1 stamp=.venv/semascope-installed${1:+-$1} wanted
    wanted=$(cat pyproject.toml packaging/constraints*.txt | cksum)" $PWD"
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && .venv/bin/python -c 'import semascope' 2>/dev/null; then
        return 0
    fi
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        ensure_python
        say "Creating .venv with $("$python" --version)."
        "$python" -m venv --clear .venv
    fi
    install_torch
    say "Installing Semascope${extras:+ with what its checks need} into .venv."
    pip_install --quiet -e ".${extras:+[$extras]}"
    printf '%s' "$wanted" >"$stamp"
}

ensure_demo_model() {
    .venv/bin/python packaging/fetch_demo_model.py >&2
}
