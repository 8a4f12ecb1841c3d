#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# info and bench: text for people, JSON for programs.
. "$(dirname "$0")/common.sh"

# query FILE EXPRESSION: the Python expression holds for the parsed file, called r.
query() {
  python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not eval("(%s)" % sys.argv[2]))' "$1" "$2"
}

check "info" tiny info
check "info --json" sh -c '"$0" info --json --model tiny.safetensors >info.json' "$LIKENESS_CLI"
check "version" query info.json "r['version'] == '$(cli --version | cut -d' ' -f2)'"
check "a device is chosen" query info.json "r['chosen'] in [d['index'] for d in r['devices']]"
check "limits" query info.json "all(d['max_binding'] >= 2**27 and d['memory'] > 0 for d in r['devices'])"
check "self-test" query info.json "r['self_test']['passed'] and 0 <= r['self_test']['largest_error'] < 1e-5"
check "model" query info.json "[m['resolution'] for m in r['models']] == [64]"
check "sliders" query info.json "[s['name'] for s in r['models'][0]['sliders']] == ['age', 'smile', 'pose']"

check "bench" tiny bench --runs 1
check "bench --json" sh -c '"$0" bench --json --runs 3 --model tiny.safetensors >bench.json' "$LIKENESS_CLI"
check "memory" query bench.json \
  "r['memory']['device_peak'] >= r['memory']['weights'] + r['memory']['activations'] > 0"
check "no encoder after the inversion" query bench.json \
  "0 < r['memory']['encoder_weights'] <= r['memory']['device_peak'] - r['memory']['device_held']"
check "cold start" query bench.json "r['cold_start_seconds'] > 0 and r['start_seconds'] > 0"
check "inversion's stages" query bench.json \
  "{'image_in', 'e0', 'heads', 'e1.align', 'e1.extract', 'e2.photo', 'b4', 'e2', 'image_out'} <=
   {s['name'] for s in r['inversion']['stages']}"
check "work adds up" query bench.json \
  "abs(sum(s['gflop'] for s in r['inversion']['stages']) - r['inversion']['gflop']) < 1e-9"
check "a step for each slider and the last row" query bench.json \
  "[s['name'] for s in r['slider_steps']] == ['age', 'smile', 'pose', 'last row of w_plus']"
check "a slider step runs no encoder" query bench.json \
  "not any(s['name'].startswith(('image_in', 'e0', 'heads', 'f.', 'e1', 'e2.photo'))
           for step in r['slider_steps'] for s in step['stages'])"
check "the last row runs the last block alone" query bench.json \
  "[s['name'] for s in r['slider_steps'][-1]['stages']] == ['b64', 'image_out']"
check "times" query bench.json \
  "all(step['seconds'] > 0 and step['gflop'] > 0 for step in r['slider_steps'] + [r['inversion']])"
finish
