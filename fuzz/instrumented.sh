#!/bin/sh
# Cargo's wrapper around rustc for Culvert's own crates: compiled so that libFuzzer sees which edges an input takes and
# what it compares. Stable rustc can do that; dependencies stay as they are, and are shared with other builds.
exec "$@" -C opt-level=1 -C codegen-units=1 --cfg fuzzing --check-cfg 'cfg(fuzzing)' \
    -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares
