/* Makes writes below a folder fail: loaded into a process before libc (LD_PRELOAD), steered by a mapped file.
   GATEHOUSE_FAULT_FOLDER is the folder, GATEHOUSE_FAULT_CONTROL the file: four 64-bit words, number of the write that
   fails (0: none; counts down), errno, whether all after it fail too, and how many writes have failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    _Atomic int64_t left, error, lasting, failed;
};
static struct control *control;
static char folder[PATH_MAX];

__attribute__((constructor)) static void load(void) {
    const char *file = getenv("GATEHOUSE_FAULT_CONTROL"), *place = getenv("GATEHOUSE_FAULT_FOLDER");
    int descriptor = file && place ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0 || strlen(place) >= sizeof folder) {
        return;
    }
    strcpy(folder, place);
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (memory != MAP_FAILED) {
        control = memory;
    }
}

static int is_below(int descriptor) {
    struct stat status;
    char link[40], path[PATH_MAX];
    if (fstat(descriptor, &status) < 0 || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 0 && (path[length] = 0, strncmp(path, folder, strlen(folder)) == 0);
}

/* The error that a write to the descriptor fails with; 0 for none. */
static int fault(int descriptor) {
    int saved = errno;
    if (!control || atomic_load(&control->left) <= 0 || !is_below(descriptor)) {
        errno = saved;
        return 0;
    }
    errno = saved;
    int64_t left = atomic_fetch_sub(&control->left, 1);
    if (left > 1) {
        return 0;
    }
    if (atomic_load(&control->lasting)) {
        atomic_store(&control->left, 1);
    }
    atomic_fetch_add(&control->failed, 1);
    return (int)atomic_load(&control->error);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(descriptor)                                                                                              \
    int error = fault(descriptor);                                                                                    \
    if (error) {                                                                                                      \
        errno = error;                                                                                                \
        return -1;                                                                                                    \
    }

ssize_t write(int fd, const void *bytes, size_t count) {
    FAIL(fd)
    return REAL(write)(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    FAIL(fd)
    return REAL(pwrite)(fd, bytes, count, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    FAIL(fd)
    return REAL(pwrite64)(fd, bytes, count, offset);
}
ssize_t writev(int fd, const struct iovec *vector, int count) {
    FAIL(fd)
    return REAL(writev)(fd, vector, count);
}
int fsync(int fd) {
    FAIL(fd)
    return REAL(fsync)(fd);
}
int fdatasync(int fd) {
    FAIL(fd)
    return REAL(fdatasync)(fd);
}
int ftruncate(int fd, off_t length) {
    FAIL(fd)
    return REAL(ftruncate)(fd, length);
}
int ftruncate64(int fd, off64_t length) {
    FAIL(fd)
    return REAL(ftruncate64)(fd, length);
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
    FAIL(fd)
    return REAL(fallocate)(fd, mode, offset, length);
}
int posix_fallocate(int fd, off_t offset, off_t length) {
    int error = fault(fd);
    return error ? error : REAL(posix_fallocate)(fd, offset, length);
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
    int error = fault(fd);
    return error ? error : REAL(posix_fallocate64)(fd, offset, length);
}
