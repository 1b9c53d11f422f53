/* Loaded before the C library: fails the calls on files below results/ and .scratch/ from number `failing_from` to
   `failing_to`, counted from 1 since `failing_count` was 0, with `failing_error`. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

long failing_from, failing_to, failing_count, failing_error;
char failing_name[4096], failing_path[4096];

static int below(const char *path) {
    if (!path || strstr(path, "/cost/")) return 0;
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (!strncmp(at, "results", 7) && (at[7] == '/' || !at[7])) return 1;
        if (!strncmp(at, ".scratch", 8) && (at[8] == '/' || !at[8])) return 1;
    }
    return 0;
}

static int fails(const char *name, const char *path) {
    if (!failing_to || !below(path)) return 0;
    long number = __sync_add_and_fetch(&failing_count, 1);
    if (number < failing_from || number > failing_to) return 0;
    if (number == failing_from) {
        snprintf(failing_name, sizeof failing_name, "%s", name);
        snprintf(failing_path, sizeof failing_path, "%s", path);
    }
    errno = failing_error;
    return 1;
}

static int descriptor_fails(const char *name, int descriptor) {
    char link[64], path[4096];
    if (!failing_to) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(name, path);
}

/* A path that is relative to the folder of a descriptor other than the current one belongs where the descriptor is. */
static int at_fails(const char *name, int folder, const char *path) {
    return folder == AT_FDCWD || *path == '/' ? fails(name, path) : descriptor_fails(name, folder);
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define CALL(type, name, parameters, arguments, condition, failed) \
    type name parameters { REAL(name); return condition ? failed : real arguments; }
#define BY_PATH(name, parameters, arguments) CALL(int, name, parameters, arguments, fails(#name, path), -1)
#define BY_FOLDER(name, parameters, arguments) CALL(int, name, parameters, arguments, at_fails(#name, folder, path), -1)
#define BY_FILE(type, name, parameters, arguments) CALL(type, name, parameters, arguments, descriptor_fails(#name, file), -1)

#define OPENING(name, before, condition, ...) \
    int name before { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return condition ? -1 : real(__VA_ARGS__, flags, mode); \
    }
OPENING(open, (const char *path, int flags, ...), fails("open", path), path)
OPENING(open64, (const char *path, int flags, ...), fails("open64", path), path)
OPENING(openat, (int folder, const char *path, int flags, ...), at_fails("openat", folder, path), folder, path)
OPENING(openat64, (int folder, const char *path, int flags, ...), at_fails("openat64", folder, path), folder, path)
CALL(FILE *, fopen, (const char *path, const char *mode), (path, mode), fails("fopen", path), NULL)
CALL(FILE *, fopen64, (const char *path, const char *mode), (path, mode), fails("fopen64", path), NULL)

BY_FILE(ssize_t, read, (int file, void *to, size_t size), (file, to, size))
BY_FILE(ssize_t, pread, (int file, void *to, size_t size, off_t at), (file, to, size, at))
BY_FILE(ssize_t, pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at))
BY_FILE(ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
BY_FILE(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at), (file, from, size, at))
BY_FILE(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), (file, from, size, at))
BY_FILE(ssize_t, writev, (int file, const struct iovec *from, int count), (file, from, count))
BY_FILE(int, fsync, (int file), (file))
BY_FILE(int, fdatasync, (int file), (file))
BY_FILE(int, ftruncate, (int file, off_t size), (file, size))
BY_FILE(int, ftruncate64, (int file, off64_t size), (file, size))
BY_FILE(int, fchmod, (int file, mode_t mode), (file, mode))
BY_FILE(int, fstat, (int file, struct stat *found), (file, found))
BY_FILE(int, fstat64, (int file, struct stat64 *found), (file, found))
int close(int file) { /* as network folders do it: the file is closed, and what was written may be lost */
    REAL(close);
    int failed = descriptor_fails("close", file);
    int closed = real(file);
    if (failed) errno = failing_error;
    return failed ? -1 : closed;
}

BY_PATH(stat, (const char *path, struct stat *found), (path, found))
BY_PATH(stat64, (const char *path, struct stat64 *found), (path, found))
BY_PATH(lstat, (const char *path, struct stat *found), (path, found))
BY_PATH(lstat64, (const char *path, struct stat64 *found), (path, found))
BY_FOLDER(fstatat, (int folder, const char *path, struct stat *found, int flags), (folder, path, found, flags))
BY_FOLDER(fstatat64, (int folder, const char *path, struct stat64 *found, int flags), (folder, path, found, flags))
BY_FOLDER(statx, (int folder, const char *path, int flags, unsigned mask, struct statx *found), (folder, path, flags, mask, found))
BY_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
BY_FOLDER(mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
BY_PATH(unlink, (const char *path), (path))
BY_FOLDER(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
BY_PATH(rmdir, (const char *path), (path))
BY_PATH(chmod, (const char *path, mode_t mode), (path, mode))
BY_FOLDER(fchmodat, (int folder, const char *path, mode_t mode, int flags), (folder, path, mode, flags))
BY_PATH(rename, (const char *path, const char *to), (path, to))
BY_FOLDER(renameat, (int folder, const char *path, int other, const char *to), (folder, path, other, to))
CALL(DIR *, opendir, (const char *path), (path), fails("opendir", path), NULL)
CALL(DIR *, fdopendir, (int file), (file), descriptor_fails("fdopendir", file), NULL)
CALL(struct dirent64 *, readdir64, (DIR *folder), (folder), descriptor_fails("readdir", dirfd(folder)), NULL)
CALL(struct dirent *, readdir, (DIR *folder), (folder), descriptor_fails("readdir", dirfd(folder)), NULL)
