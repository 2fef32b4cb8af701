#!/bin/sh
# Runs inside a host at boot and whenever a volume is attached or detached, and does what the
# hypervisor and udev do on EC2. The file `hardware` beside it lists the disks and routes.
set -eu
here=$(dirname "$0")
by_id=/dev/disk/by-id
prefix=nvme-Amazon_Elastic_Block_Store_
mkdir -p "$by_id"

for node in /dev/nvme*n1; do
  if [ -b "$node" ] && ! grep -q "^disk ${node#/dev/} " "$here/hardware"; then
    rm "$node"
  fi
done
for link in "$by_id/$prefix"*; do
  if [ -L "$link" ] && ! grep -q " ${link##*_}\$" "$here/hardware"; then
    rm "$link"
  fi
done

while read -r kind name first second volume; do
  case $kind in
    route)
      ip route replace "$name" via "$first"
      ;;
    disk)
      wanted=$(printf '%x %x' "$first" "$second")
      if [ -b "/dev/$name" ] && [ "$(stat -c '%t %T' "/dev/$name")" != "$wanted" ]; then
        rm "/dev/$name"
      fi
      if [ ! -b "/dev/$name" ]; then
        mknod -m 0660 "/dev/$name" b "$first" "$second"
        chgrp disk "/dev/$name"
      fi
      ln -sfn "../../$name" "$by_id/$prefix$volume"
      ;;
  esac
done <"$here/hardware"
