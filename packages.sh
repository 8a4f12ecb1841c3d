# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by run.sh and test.sh: the Debian/Ubuntu packages that building and testing need, and how they get here.

build_packages="gcc g++ meson ninja-build pkg-config gettext glslang-tools libvulkan-dev libglib2.0-dev libgtk-4-dev
  libadwaita-1-dev libjson-glib-dev libpng-dev libjpeg-dev libtiff-dev libwebp-dev libheif-dev libgexiv2-dev liblcms2-dev
  libdlib-dev libzip-dev libblas-dev liblapack-dev
  mesa-vulkan-drivers desktop-file-utils appstream libxml2-utils librsvg2-common adwaita-icon-theme"
test_packages="git vulkan-validationlayers clang-format xvfb xauth dbus-daemon dbus-x11 libxtst-dev
  mandoc libglib2.0-bin libgtk-4-bin python3 python3-numpy python3-pil python3-scipy python3-skimage python3-torch libdnnl-dev
  python3-tifffile exiv2 libimage-exiftool-perl"

# install_packages NAME...: installs those that are missing; asks for sudo only then.
install_packages() {
  local missing=() name
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system: please see to it that the equivalents of these are installed: $*" >&2
    return 0
  fi
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "Installing: ${missing[*]}" >&2
  local root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# build_programs [MESON OPTION...]: configures build/ if needed and builds.
build_programs() {
  if [ -f build/build.ninja ]; then
    [ $# -eq 0 ] || meson configure build "$@"
  else
    meson setup build "$@" >/dev/null
  fi
  ninja -C build --quiet
}
