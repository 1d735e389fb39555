#define _GNU_SOURCE
#include "CPages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

int cp_open(const char *folder, bool direct) {
  int flags = O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0);
  int file = open(folder, flags | O_TMPFILE, 0600);
  if (file >= 0) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) return -1;
  char path[4096];
  int length = snprintf(path, sizeof path, "%s/.pages-XXXXXX", folder);
  if (length < 0 || (size_t)length >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  file = mkostemp(path, flags & ~O_RDWR);
  if (file < 0) return -1;
  unlink(path);
  return file;
}

bool cp_is_in_memory(const char *folder) {
  struct statfs info;
  if (statfs(folder, &info) != 0) return false;
  return info.f_type == 0x01021994 || info.f_type == (long)0x858458f6;
}

int cp_reserve(int file, size_t bytes) {
  if (fallocate(file, 0, 0, (off_t)bytes) == 0) return 0;
  int error = errno;
  if (error != EOPNOTSUPP) return error;
  return ftruncate(file, (off_t)bytes) == 0 ? EOPNOTSUPP : errno;
}

bool cp_is_whole(int file, size_t bytes, bool reserved) {
  struct stat info;
  if (fstat(file, &info) != 0) return false;
  if ((size_t)info.st_size != bytes) return false;
  return !reserved || (size_t)info.st_blocks * 512 >= bytes;
}

void cp_drop(int file, size_t offset, size_t bytes) {
  sync_file_range(file, (off_t)offset, (off_t)bytes,
                  SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  posix_fadvise(file, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}

size_t cp_free_bytes(const char *folder) {
  struct statvfs info;
  if (statvfs(folder, &info) != 0) return 0;
  return (size_t)info.f_bavail * info.f_frsize;
}
