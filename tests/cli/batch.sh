#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# batch: many photos, bad ones among them, interrupted, named alike, in folders.
. "$(dirname "$0")/common.sh"

age() { tiny batch --aligned --set age=3 "$@"; }
list() { (cd "$1" && echo *); }
said() { [ "$(cat stdout)" = "$1" ] || { cat stdout stderr; return 1; }; }

# does STATUS SUMMARY COMMAND...
does() {
  local status=$1 summary=$2
  shift 2
  "$@" >stdout 2>stderr
  is $? "$status" && said "$summary"
}

tiny edit photo.png -o older.png --aligned --set age=3
tiny edit other.png -o older-other.png --aligned --set age=3
check "good files" does 0 "2 written, 0 failed" age photo.png other.png -o good
check "no word besides" [ ! -s stderr ]
check "does what edit does" cmp good/photo.png older.png
check "for each" cmp good/other.png older-other.png

# ---- names ----

mkdir twin && cp other.png twin/photo.png && cp other.png twin/PHOTO.png && cp other.png twin/photo-2.png
check "photos of a name" does 0 "4 written, 0 failed" age photo.png twin -o twins
check "each has its file" is "$(list twins)" "PHOTO-3.png photo-2.png photo-4.png photo.png"
check "the first has its own name" cmp twins/photo.png older.png
check "the second has not" cmp twins/photo-4.png older-other.png
check "a photo named twice" does 0 "1 written, 0 failed" age photo.png ./photo.png -o once
check "formats stay" does 0 "4 written, 0 failed" age photo.jpg photo.png photo.tif photo.webp -o kinds
check "by their endings" is "$(list kinds)" "photo.jpg photo.png photo.tif photo.webp"
check "one format" does 0 "2 written, 0 failed" age photo.tif other.png -o jpegs --format jpeg --quality 80
check "by its ending" is "$(list jpegs)" "other.jpg photo.jpg"
check "which is one" is "$(head -c 3 jpegs/photo.jpg | od -A n -t x1)" " ff d8 ff"
check "stages" does 0 "2 written, 0 failed" age photo.jpg photo.png -o dumped --dump stages
check "of each" is "$(list stages)" "photo photo-2"

# ---- folders ----

mkdir -p album/deeper empty
cp photo.png album/b.png && cp photo.jpg album/a.JPG && cp photo.png album/.hidden.png && cp photo.png album/deeper
echo "no picture" >album/notes.txt
check "a folder's pictures" does 0 "2 written, 0 failed" age album -o from-album
check "without what else is there" is "$(list from-album)" "a.JPG b.png"
check "an empty folder" does 1 "1 written, 1 failed" age empty photo.png -o from-empty
check "is named" is "$(cat stderr)" "likeness-cli: empty: there are no pictures in this folder"
cp -r album kept
check "photos are not overwritten" fails 1 "a.JPG would overwrite a photo" age album -o album
check "nor when asked to overwrite" fails 1 "a.JPG would overwrite a photo" age album -o album --overwrite
check "and are what they were" diff -r album kept
check "other formats may be beside them" does 0 "2 written, 0 failed" age album -o album --format webp

# ---- what is there already ----

cp photo.jpg good/photo.png
check "what is there stays" does 0 "0 written, 0 failed, 2 there already (--overwrite writes them again)" \
  age photo.png other.png -o good
check "as it is" cmp good/photo.png photo.jpg
check "unless it is to be overwritten" does 0 "2 written, 0 failed" age photo.png other.png -o good --overwrite
check "then it is new" cmp good/photo.png older.png

# Another edit does not go on where this one was: half of the pictures would be of either.
other_edit() { "$LIKENESS_CLI" batch --model tiny.safetensors --aligned --set age=-3 photo.png other.png -o good "$@"; }
check "another edit" fails 1 "good has pictures of another edit" other_edit
check "another format" fails 1 "good has pictures of another edit" age photo.png -o good --format webp
check "what is there stays" cmp good/photo.png older.png
check "it may overwrite" does 0 "2 written, 0 failed" other_edit --overwrite
check "then it is new" differ good/photo.png older.png
check "and this one is another" fails 1 "good has pictures of another edit" age photo.png -o good

# ---- 500 photos, 10 of them broken ----

mkdir many
for i in $(seq -w 0 489); do ln "$([ $((10#$i % 3)) -eq 0 ] && echo other.png || echo photo.png)" "many/p$i.png"; done
for i in 480 481 482 483; do rm "many/p$i.png" && cp large.png "many/p$i.png"; done
echo "no picture" >many/bad0.jpg
: >many/bad1.png
head -c 500 photo.jpg >many/bad2.jpg
head -c 200 photo.png >many/bad3.png
head -c 60 photo.webp >many/bad4.webp
head -c 300 photo.tif >many/bad5.tif
cp landscape.png many/bad6.png
cp dot.png many/bad7.png
head -c 20 /dev/zero >many/bad8.heic
ln -s nowhere many/bad9.png

check "500 photos" does 1 "490 written, 10 failed" age many -o results
check "490 results" is "$(ls results | wc -l)" 490
check "10 reasons" is "$(wc -l <stderr)" 10
named() {
  for i in 0 1 2 3 4 5 6 7 8 9; do
    is "$(grep -c "^likeness-cli: many/bad$i\.[a-z]*[ :]" stderr)" 1 || { cat stderr; return 1; }
  done
}
check "each with its file" named
check "the results are right" cmp results/p001.png older.png
check "all of them" cmp results/p003.png older-other.png
check "again" does 1 "0 written, 10 failed, 490 there already (--overwrite writes them again)" age many -o results

interrupted() {
  local pid status
  "$LIKENESS_CLI" batch --model tiny.safetensors --aligned --set age=3 many -o resumed >stdout 2>stderr &
  pid=$!
  for _ in $(seq 600); do
    [ "$(ls resumed 2>/dev/null | wc -l)" -ge 20 ] && break
    sleep 0.05
  done
  kill -TERM $pid
  wait $pid
  status=$?
  is $status 1 && grep -qx "likeness-cli: cancelled" stderr && grep -q "not tried" stdout || { cat stdout stderr; return 1; }
  is "$(ls resumed | wc -l)" "$(sed 's/ written.*//' stdout)"
}
check "a request to end" interrupted
done_before=$(ls resumed | wc -l)
check "goes on where it was" \
  does 1 "$((490 - done_before)) written, 10 failed, $done_before there already (--overwrite writes them again)" \
  age many -o resumed
check "to the same results" diff -r results resumed

# ---- memory ----

# peak COMMAND...: most memory that it had, in kilobytes.
peak() {
  python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
}
# Each photo takes 1.4 MB, so that 200 of them would show.
bounded() {
  local few many
  few=$(peak "$LIKENESS_CLI" batch --model tiny.safetensors --aligned -s age=3 large/1?.png -o few) || return 1
  many=$(peak "$LIKENESS_CLI" batch --model tiny.safetensors --aligned -s age=3 large -o all) || return 1
  echo "# $few kB for 10 photos, $many kB for 210" >&3
  [ "$many" -lt $((few + 40000)) ]
}
if ldd "$LIKENESS_CLI" | grep -q libasan; then
  skip "memory is bounded" "measured without the address sanitizer only"
else
  mkdir large
  for i in $(seq 210); do ln large.png "large/$i.png"; done
  exec 3>&1
  check "memory is bounded" bounded
fi
finish
