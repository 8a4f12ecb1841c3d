/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * fuzz_file.h - bytes as a file with a name, for readers that take nothing else: always the same one, in memory.
 */
#pragma once

#include <gio/gio.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes, followed by so many zeros. The name is good until the next call. */
const char *fuzz_file(const void *bytes, size_t size, size_t zeros);

/* Where a target may write a file of this name, in a folder that is gone when the program ends; g_free. */
char *fuzz_output(const char *name);

/* Aborts unless the error is one sentence of moderate length, about the file where it says. Frees it. */
void fuzz_check_error(GError *error, const char *path);
