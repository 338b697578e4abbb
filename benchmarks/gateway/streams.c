/* Reads many SSE streams at once and tells how old each marked piece of text was when it arrived.
 *
 *     streams PORT COUNT SECONDS PATIENCE_S < REQUEST
 *
 * REQUEST is the whole HTTP request, bytes as they are sent, up to the end of standard input's first part, given by its
 * size in decimal on a line of its own before it. All streams are opened 2 ms apart; once every one has its first mark,
 * or after PATIENCE_S, it writes "ready N" (how many had) and waits for a line. Then it counts for SECONDS and writes one line of JSON:
 * marks, seconds, streams that ended early, first-mark and mark ages in microseconds (p50, p99, max).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, MARK = 14, KEPT = 4 << 20 };

struct reader {
    int fd;
    char tail[MARK];  /* the end of what was read, in case a mark is cut in two */
    size_t tail_size;
    uint64_t started_us;
    uint64_t first_us;
};

static struct reader readers[MOST];
static int started, ended, is_counting;
static uint32_t *ages, firsts[MOST];
static size_t marks;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int connect_to(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void note(struct reader *r, const char *mark, uint64_t now) {
    uint64_t at = 0;
    for (int i = 2; i < MARK; i++) {
        if (mark[i] < 'a' || mark[i] > 'p') return;
        at = at << 4 | (uint64_t)(mark[i] - 'a');
    }
    if (!r->first_us) {
        r->first_us = now;
        firsts[started++] = (uint32_t)(now - r->started_us);
    }
    if (is_counting && marks < KEPT) ages[marks++] = (uint32_t)(now > at ? now - at : 0);
}

static void read_some(struct reader *r) {
    static char data[65536 + MARK];
    memcpy(data, r->tail, r->tail_size);
    ssize_t got = recv(r->fd, data + r->tail_size, 65536, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        close(r->fd);
        r->fd = -1;
        ended++;
        return;
    }
    uint64_t now = now_us();
    size_t size = r->tail_size + (size_t)got, at = 0;
    for (char *found; (found = memmem(data + at, size - at, "qz", 2));) {
        at = (size_t)(found - data);
        if (size - at < MARK) break;
        note(r, found, now);
        at += MARK;
    }
    /* What was looked at is not looked at again; the last byte is kept where it may begin a mark. */
    size_t from = size - at < MARK && memmem(data + at, size - at, "qz", 2) ? at : size - 1;
    if (from < at) from = at;
    r->tail_size = size - from;
    memcpy(r->tail, data + from, r->tail_size);
}

static void pump(int poll, uint64_t until, int stops_when_started) {
    struct epoll_event ready[256];
    for (uint64_t now; (now = now_us()) < until;) {
        if (stops_when_started && started + ended >= stops_when_started) return;
        int count = epoll_wait(poll, ready, 256, (int)((until - now) / 1000) + 1);
        for (int i = 0; i < count; i++) read_some(ready[i].data.ptr);
    }
}

static uint32_t share(uint32_t *sorted, size_t count, double part) {
    return count ? sorted[(size_t)((double)(count - 1) * part)] : 0;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int port = atoi(argv[1]), count = atoi(argv[2]), poll = epoll_create1(0);
    double seconds = atof(argv[3]), patience_s = atof(argv[4]);
    size_t size = 0;
    char request[65536], line[64];
    if (count > MOST || !fgets(line, sizeof line, stdin)) return 2;
    size = strtoul(line, NULL, 10);
    if (size > sizeof request || fread(request, 1, size, stdin) != size) return 2;
    ages = malloc(sizeof *ages * KEPT);
    for (int i = 0; i < count; i++) {
        struct reader *r = &readers[i];
        r->fd = connect_to(port);
        r->started_us = now_us();
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = r};
        epoll_ctl(poll, EPOLL_CTL_ADD, r->fd, &event);
        if (send(r->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) return 1;
        pump(poll, now_us() + 2000, 0);
    }
    pump(poll, now_us() + (uint64_t)(patience_s * 1e6), count);
    printf("ready %d\n", started);
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return 1;
    is_counting = 1;
    int ended_before = ended;
    uint64_t begun = now_us();
    pump(poll, begun + (uint64_t)(seconds * 1e6), 0);
    double took_s = (double)(now_us() - begun) / 1e6;
    qsort(ages, marks, sizeof *ages, by_size);
    qsort(firsts, (size_t)started, sizeof *firsts, by_size);
    printf("{\"marks\":%zu,\"seconds\":%.3f,\"ended_before\":%d,\"ended\":%d,\"age_us\":{\"p50\":%u,\"p99\":%u,\"max\":%u},"
           "\"first_us\":{\"p50\":%u,\"p99\":%u}}\n",
        marks, took_s, ended_before, ended - ended_before, share(ages, marks, 0.5), share(ages, marks, 0.99),
        share(ages, marks, 1), share(firsts, (size_t)started, 0.5), share(firsts, (size_t)started, 0.99));
    return 0;
}
