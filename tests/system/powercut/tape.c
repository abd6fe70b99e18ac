/* Records what a process does to the files of one directory, in order, so that a test can cut the power at each step.
 *
 *   cc -shared -fPIC -O1 -o tape.so tape.c -ldl
 *   TAPE_DIR=/some/dir TAPE=/some/file LD_PRELOAD=./tape.so python workload.py
 *
 * A record is a line `<op> <offset> <length> <name>` and, for writes, the data: C creates, W writes, T truncates to
 * <offset>, S syncs a file or a directory (`.` is the one that is recorded), M makes a directory, U unlinks, R renames
 * (the data is the new name). The operation and its record are one step for all threads. Shared memory (-shm) is not recorded: a power cut leaves nothing of it.
 * While a file <TAPE>.write or <TAPE>.sync is there, writes or syncs fail with EIO.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
static char *names[FDS];
static char root[PATH_MAX];
static int tape = -1;
static char no_write[PATH_MAX], no_sync[PATH_MAX];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char *dir = getenv("TAPE_DIR"), *path = getenv("TAPE");
  if (!dir || !path || !realpath(dir, root)) return;
  snprintf(no_write, sizeof no_write, "%s.write", path);
  snprintf(no_sync, sizeof no_sync, "%s.sync", path);
  tape = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The name within the directory, "." for itself, or NULL. */
static const char *inside(const char *path) {
  static __thread char whole[PATH_MAX];
  size_t n = strlen(root);
  if (tape < 0 || !n || !path) return NULL;
  if (path[0] != '/') {
    if (!getcwd(whole, sizeof whole)) return NULL;
    size_t at = strlen(whole);
    snprintf(whole + at, sizeof whole - at, "/%s", path);
    path = whole;
  }
  if (strncmp(path, root, n)) return NULL;
  if (!path[n]) return ".";
  if (path[n] != '/' || strstr(path, "-shm")) return NULL;
  return path[n + 1] ? path + n + 1 : ".";
}

static void put(char op, long long offset, const char *name, const void *data, size_t length) {
  char head[PATH_MAX + 64];
  int n = snprintf(head, sizeof head, "%c %lld %zu %s\n", op, offset, length, name);
  struct iovec parts[2] = {{head, (size_t)n}, {(void *)data, length}};
  if (writev(tape, parts, data ? 2 : 1) != (ssize_t)(n + (data ? length : 0))) abort();
}

static int opened(int fd, const char *path, int flags, int there) {
  const char *name = fd >= 0 && fd < FDS ? inside(path) : NULL;
  if (!name) return fd;
  free(names[fd]);
  names[fd] = strdup(name);
  if (strcmp(name, ".") && !there && (flags & O_CREAT)) put('C', 0, name, NULL, 0);
  if (there && (flags & O_TRUNC)) put('T', 0, name, NULL, 0);
  return fd;
}

#define OPENING(call, path, flags)                                  \
  mode_t mode = 0;                                                  \
  if ((flags) & (O_CREAT | O_TMPFILE)) {                            \
    va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); \
  }                                                                 \
  pthread_mutex_lock(&turn);                                        \
  struct stat st; int there = inside(path) && !stat(path, &st);     \
  int fd = opened(call, path, flags, there);                        \
  pthread_mutex_unlock(&turn);                                      \
  return fd

int open(const char *path, int flags, ...) { REAL(open); OPENING(real(path, flags, mode), path, flags); }
int open64(const char *path, int flags, ...) { REAL(open64); OPENING(real(path, flags, mode), path, flags); }
int openat(int at, const char *path, int flags, ...) { REAL(openat); OPENING(real(at, path, flags, mode), path, flags); }
int openat64(int at, const char *path, int flags, ...) { REAL(openat64); OPENING(real(at, path, flags, mode), path, flags); }

int close(int fd) {
  REAL(close);
  pthread_mutex_lock(&turn);
  if (fd >= 0 && fd < FDS) { free(names[fd]); names[fd] = NULL; }
  int done = real(fd);
  pthread_mutex_unlock(&turn);
  return done;
}

#define KNOWN(fd) ((fd) >= 0 && (fd) < FDS && (fd) != tape && names[fd])
#define STEP(type, trouble, call, note)                             \
  if (!KNOWN(fd)) return call;                                      \
  if (!access(trouble, F_OK)) { errno = EIO; return -1; }           \
  pthread_mutex_lock(&turn);                                        \
  type done = call;                                                 \
  if (done >= 0) note;                                              \
  pthread_mutex_unlock(&turn);                                      \
  return done

ssize_t write(int fd, const void *data, size_t n) {
  REAL(write);
  STEP(ssize_t, no_write, real(fd, data, n), put('W', lseek(fd, 0, SEEK_CUR) - done, names[fd], data, (size_t)done));
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { REAL(pwrite); STEP(ssize_t, no_write, real(fd, data, n, at), put('W', at, names[fd], data, (size_t)done)); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { REAL(pwrite64); STEP(ssize_t, no_write, real(fd, data, n, at), put('W', at, names[fd], data, (size_t)done)); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); STEP(int, no_write, real(fd, n), put('T', n, names[fd], NULL, 0)); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); STEP(int, no_write, real(fd, n), put('T', n, names[fd], NULL, 0)); }
int fsync(int fd) { REAL(fsync); STEP(int, no_sync, real(fd), put('S', 0, names[fd], NULL, 0)); }
int fdatasync(int fd) { REAL(fdatasync); STEP(int, no_sync, real(fd), put('S', 0, names[fd], NULL, 0)); }

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  pthread_mutex_lock(&turn);
  int done = real(path, mode);
  const char *name = done ? NULL : inside(path);
  if (name) put('M', 0, name, NULL, 0);
  pthread_mutex_unlock(&turn);
  return done;
}

int unlink(const char *path) {
  REAL(unlink);
  pthread_mutex_lock(&turn);
  int done = real(path);
  const char *name = done ? NULL : inside(path);
  if (name) put('U', 0, name, NULL, 0);
  pthread_mutex_unlock(&turn);
  return done;
}

int rename(const char *from, const char *to) {
  REAL(rename);
  pthread_mutex_lock(&turn);
  int done = real(from, to);
  const char *name = done ? NULL : inside(from);
  if (name) {
    char old[PATH_MAX];
    snprintf(old, sizeof old, "%s", name);
    const char *new = inside(to);
    if (!new) abort(); /* nothing of ours leaves the directory */
    put('R', 0, old, new, strlen(new));
  }
  pthread_mutex_unlock(&turn);
  return done;
}
