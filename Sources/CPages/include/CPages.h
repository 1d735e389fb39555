// What the page file asks of Linux that Swift's module of the C library lacks.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// Opens a new file without a name in `folder` for reading and writing; where the file system has no such files, one
/// whose name is removed at once. With `direct`, transfers pass the page cache by. -1 and errno on failure.
int cp_open(const char *folder, bool direct);
/// Whether files in `folder` lie in memory (tmpfs, ramfs).
bool cp_is_in_memory(const char *folder);
/// Takes room on the disk for `bytes`: 0, or an error number. EOPNOTSUPP where the file system cannot promise it; then
/// the file has that size all the same.
int cp_reserve(int file, size_t bytes);
/// Whether the file still has its size and, where it was reserved, its room: false once somebody cut it.
bool cp_is_whole(int file, size_t bytes, bool reserved);
/// Sends a written range to the disk and drops it from the page cache.
void cp_drop(int file, size_t offset, size_t bytes);
/// Bytes that an ordinary user may still write in `folder`'s file system.
size_t cp_free_bytes(const char *folder);
