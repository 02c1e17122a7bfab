#!/bin/sh
# Images by digest, so that a start tomorrow is of what was tried today.
#
#   pin-images.sh            asks the registry, and writes digests into the files that name images
#   pin-images.sh --check    fails when one is missing: a release must have them
set -eu
here=$(cd "$(dirname "$0")" && pwd)

files="compose.yaml kubernetes/nats.yaml Dockerfile"

# What is named by version: images of others in YAML, the Dockerfile's first ones.
images() {
  sed -n 's/^ *image: \([^ ]*[:@][^ ]*\)$/\1/p' "$here/compose.yaml" "$here/kubernetes/nats.yaml"
  sed -n 's/^FROM \([^ ]*\).*/\1/p' "$here/Dockerfile"
}

missing=$(images | grep -v '@sha256:[0-9a-f]\{64\}$' | sort -u || true)
if [ "${1:-}" = --check ]; then
  [ -z "$missing" ] && exit 0
  echo "without a digest, run deploy/pin-images.sh:" >&2
  printf '%s\n' "$missing" >&2
  exit 1
fi
for image in $missing; do
  digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
  case "$digest" in
    sha256:*) ;;
    *) echo "pin-images.sh: no digest of $image" >&2; exit 1 ;;
  esac
  for file in $files; do
    sed -e "s#^\( *image: \)$image\$#\1$image@$digest#" \
      -e "s#^\(FROM \)$image\( .*\)\{0,1\}\$#\1$image@$digest\2#" "$here/$file" >"$here/$file.new"
    cat "$here/$file.new" >"$here/$file"
    rm "$here/$file.new"
  done
  echo "$image@$digest"
done
