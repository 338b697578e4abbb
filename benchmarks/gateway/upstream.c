/* A model server that costs next to nothing: one thread, epoll, keep-alive; OpenAI's chats, and whole answers of the
 * wires of Anthropic, Responses and Gemini, by the path.
 *
 *     upstream PORT CHUNKS SPACING_US
 *
 * A request whose body holds "stream":true is answered with CHUNKS events, SPACING_US apart, each an HTTP chunk of its
 * own; every other one with a completion of about 1 kB. Each event's text begins with a mark: "qz" and the monotonic
 * clock's microseconds as 12 letters from a to p, so that a reader on the same machine can tell how old it is. Letters,
 * because digits would be looked at as if they were card or phone numbers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 4096, ROOM = 262144 };

struct connection {
    char *data;
    size_t size;
    int left;         /* events that are still to be sent; 0: no stream is open */
    int wants_usage;  /* the client asked for the usage event before the end */
    uint64_t due_us;
};

static struct connection connections[MAX_FD];
static int chunks, spacing_us, highest;

struct whole {
    const char *path; /* a piece of the request's path */
    const char *before, *after; /* the JSON around the text */
    char data[4096];
    size_t size;
};

static struct whole wholes[] = {
    {"/messages ",
     "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench\",\"content\":"
     "[{\"type\":\"text\",\"text\":\"",
     "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":210,\"output_tokens\":190}}"},
    {"/responses ",
     "{\"id\":\"resp_bench\",\"object\":\"response\",\"created_at\":1700000000,\"status\":\"completed\",\"model\":\"bench\","
     "\"output\":[{\"type\":\"message\",\"id\":\"msg_bench\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":"
     "[{\"type\":\"output_text\",\"annotations\":[],\"text\":\"",
     "\"}]}],\"error\":null,\"incomplete_details\":null,\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],"
     "\"usage\":{\"input_tokens\":210,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":190,"
     "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":400}}"},
    {":generateContent",
     "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"",
     "\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":210,"
     "\"candidatesTokenCount\":190,\"totalTokenCount\":400},\"modelVersion\":\"bench\",\"responseId\":\"bench\"}"},
    {"", /* every other path: a chat completion */
     "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench\",\"choices\":"
     "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
     "\"},\"finish_reason\":\"stop\"}],"
     "\"usage\":{\"prompt_tokens\":210,\"completion_tokens\":190,\"total_tokens\":400}}"},
};

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void prepare_wholes(void) {
    static const char *sentence = "The committee met in the old library and agreed to plant a row of lime trees. ";
    char text[1200] = "", body[3072];
    while (strlen(text) < 850) strcat(text, sentence);
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        struct whole *w = &wholes[i];
        int size = snprintf(body, sizeof body, "%s%s%s", w->before, text, w->after);
        w->size = (size_t)snprintf(w->data, sizeof w->data,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", size, body);
    }
}

/* The answer to a request, by its first line. */
static const struct whole *whole_for(const char *request) {
    char line[512];
    size_t size = strcspn(request, "\r");
    snprintf(line, sizeof line, "%.*s", (int)(size < sizeof line ? size : sizeof line - 1), request);
    const struct whole *w = wholes;
    while (!strstr(line, w->path)) w++;
    return w;
}

static void end(int fd) {
    close(fd);
    free(connections[fd].data);
    memset(&connections[fd], 0, sizeof connections[fd]);
}

static int put(int fd, const char *data, size_t size) {
    /* Readers that lag by more than the socket's buffer are cut: a benchmark where that happens measures nothing. */
    return send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

static int put_event(int fd, const char *json) {
    char event[1024], framed[1100];
    int size = snprintf(event, sizeof event, "data: %s\n\n", json);
    int whole = snprintf(framed, sizeof framed, "%x\r\n%s\r\n", size, event);
    return put(fd, framed, (size_t)whole);
}

static int put_delta(int fd, uint64_t at_us) {
    char mark[13], json[512];
    for (int i = 11; i >= 0; i--, at_us >>= 4) mark[i] = (char)('a' + (at_us & 15));
    mark[12] = 0;
    snprintf(json, sizeof json,
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"qz%s lime trees \"},\"finish_reason\":null}]}", mark);
    return put_event(fd, json);
}

static int put_last(int fd, int wants_usage) {
    int ok = put_event(fd,
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\","
        "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
    if (ok && wants_usage)
        ok = put_event(fd,
            "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\","
            "\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":100,\"total_tokens\":120}}");
    return ok && put_event(fd, "[DONE]") && put(fd, "0\r\n\r\n", 5);
}

static void answer(int fd, const char *request, const char *body) {
    struct connection *c = &connections[fd];
    if (!strstr(body, "\"stream\":true") && !strstr(body, "\"stream\": true")) {
        const struct whole *w = whole_for(request);
        if (!put(fd, w->data, w->size)) end(fd);
        return;
    }
    static const char *head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    c->wants_usage = strstr(body, "include_usage") != NULL;
    c->left = chunks;
    c->due_us = now_us();
    if (!put(fd, head, strlen(head))) end(fd);
}

/* Take every whole request that has arrived; what follows it stays. */
static void take(int fd) {
    struct connection *c = &connections[fd];
    for (;;) {
        char *body = c->data ? strstr(c->data, "\r\n\r\n") : NULL;
        if (!body) return;
        body += 4;
        char *length = strcasestr(c->data, "\r\ncontent-length:");
        size_t size = length && length < body ? strtoul(length + 17, NULL, 10) : 0;
        size_t whole = (size_t)(body - c->data) + size;
        if (c->size < whole) return;
        char kept = body[size];
        body[size] = 0;
        answer(fd, c->data, body);
        if (!c->data) return;
        body[size] = kept;
        memmove(c->data, c->data + whole, c->size - whole + 1);
        c->size -= whole;
    }
}

static void receive(int fd) {
    struct connection *c = &connections[fd];
    if (!c->data) c->data = calloc(1, ROOM);
    ssize_t got = recv(fd, c->data + c->size, ROOM - 1 - c->size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        end(fd);
        return;
    }
    c->size += (size_t)got;
    c->data[c->size] = 0;
    take(fd);
}

/* Send what is due; return when the next is, or 0 without one. */
static uint64_t send_due(void) {
    uint64_t now = now_us(), next = 0;
    for (int fd = 0; fd <= highest; fd++) {
        struct connection *c = &connections[fd];
        if (c->left <= 0) continue;
        if (c->due_us <= now) {
            int ok = put_delta(fd, now) && (--c->left > 0 || put_last(fd, c->wants_usage));
            if (!ok) {
                end(fd);
                continue;
            }
            c->due_us += (uint64_t)spacing_us;
        }
        if (c->left > 0 && (!next || c->due_us < next)) next = c->due_us;
    }
    return next;
}

static void welcome(int poll, int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        if (fd >= MAX_FD) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        if (fd > highest) highest = fd;
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    chunks = atoi(argv[2]);
    spacing_us = atoi(argv[3]);
    prepare_wholes();
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, poll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    puts("ready");
    fflush(stdout);
    for (;;) {
        uint64_t next = send_due(), now = now_us();
        int wait_ms = !next ? -1 : next <= now ? 0 : (int)((next - now + 999) / 1000);
        int count = epoll_wait(poll, ready, 256, wait_ms);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == listener) welcome(poll, listener);
            else receive(ready[i].data.fd);
        }
    }
}
