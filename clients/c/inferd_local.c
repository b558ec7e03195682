/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* memfd_create */
#include "inferd_local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "frames are little-endian, and so must be this machine"
#endif

/* docs/local-socket.md */
enum {
  HELLO = 1,
  MAP = 2,
  UNMAP = 3,
  BIND = 4,
  UNBIND = 5,
  LIST = 6,
  INFER = 7,
  CANCEL = 8,
  PUSH = 9,
  WATCH = 10,
  UNWATCH = 11,
  RESULT = 12,
  ANSWER = 0x8000,
  VIOLATION = 0xFFFF,
  VERSION = 1,
  HEADER_BYTES = 16,
  MAX_FRAME = 65536,
  MAX_KEPT_RESULTS = 64,
  CONNECT_TIMEOUT_MS = 10000
};
static const uint32_t MAGIC = 0x4C444649, INLINE = 0xFFFFFFFF;
static const uint8_t BOUND_SHAPE = 0xFF;

/* A frame, written or read from front to back. Reading behind the end gives zeros and is
 * remembered; writing behind it is remembered, too. */
typedef struct {
  unsigned char* bytes;
  size_t size; /* of what is written or can be read */
  size_t at;
  int broken;
} cursor;

/* An answer that came while another one was waited for. */
typedef struct aside {
  struct aside* next;
  size_t size;
  unsigned char bytes[];
} aside;

/* Oldest first. */
typedef struct {
  aside *first, *last;
  size_t results; /* among them */
} queue;

typedef struct binding {
  struct binding* next;
  inferd_model model;
  inferd_tensor tensors[];
} binding;

typedef struct mapping {
  struct mapping* next;
  uint32_t number;
  void* data; /* NULL: not mapped by us */
  size_t bytes;
} mapping;

struct inferd_local {
  int socket;
  int connected;
  int timeout_ms; /* that the socket has; -1: for ever */
  int64_t spin_ns;
  uint64_t next_id;
  uint32_t max_in_flight, max_buffers, max_bindings;
  char version[64];
  binding* bindings;
  mapping* mappings;
  inferd_result* results; /* as many as the bound model with most outputs has */
  size_t result_count;
  queue answers, events; /* set aside: those to INFER, and what is about pipelines */
  aside* shown;          /* what the last answer or event points into, if it was set aside */
  uint64_t* dropped;     /* ids whose answers nobody wants */
  size_t dropped_count;
  unsigned char out[MAX_FRAME], in[MAX_FRAME + 1]; /* room for a terminator */
};

/* ---- Errors ---- */

__attribute__((format(printf, 3, 4))) static int fail(inferd_error* error, int code,
                                                      const char* format, ...) {
  if (error != NULL) {
    va_list arguments;
    va_start(arguments, format);
    error->code = code;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
  }
  return code;
}

static int lost(inferd_local* c, inferd_error* error, int code, const char* what) {
  c->connected = 0;
  return fail(error, code, "%s", what);
}

static int not_understood(inferd_local* c, inferd_error* error) {
  return lost(c, error, INFERD_DATA_LOSS, "the daemon's answer is not understood");
}

/* ---- Frames ---- */

static void put(cursor* f, const void* data, size_t size) {
  if (size > MAX_FRAME - f->size) {
    f->broken = 1;
    return;
  }
  if (size > 0) memcpy(f->bytes + f->size, data, size);
  f->size += size;
}
static void put_u8(cursor* f, uint8_t v) { put(f, &v, sizeof v); }
static void put_u16(cursor* f, uint16_t v) { put(f, &v, sizeof v); }
static void put_u32(cursor* f, uint32_t v) { put(f, &v, sizeof v); }
static void put_u64(cursor* f, uint64_t v) { put(f, &v, sizeof v); }
static void put_i64(cursor* f, int64_t v) { put(f, &v, sizeof v); }

static cursor begin(inferd_local* c, uint16_t type, uint64_t id) {
  cursor f = {c->out, 0, 0, 0};
  put_u32(&f, 0);
  put_u16(&f, type);
  put_u16(&f, 0);
  put_u64(&f, id);
  return f;
}

static const void* take(cursor* f, size_t size) {
  static const unsigned char zeros[8];
  if (size > f->size - f->at) {
    f->broken = 1;
    f->at = f->size;
    return zeros;
  }
  f->at += size;
  return f->bytes + f->at - size;
}
static uint8_t take_u8(cursor* f) { return *(const uint8_t*)take(f, 1); }
static uint16_t take_u16(cursor* f) {
  uint16_t v;
  memcpy(&v, take(f, sizeof v), sizeof v);
  return v;
}
static uint32_t take_u32(cursor* f) {
  uint32_t v;
  memcpy(&v, take(f, sizeof v), sizeof v);
  return v;
}
static uint64_t take_u64(cursor* f) {
  uint64_t v;
  memcpy(&v, take(f, sizeof v), sizeof v);
  return v;
}
static int64_t take_i64(cursor* f) { return (int64_t)take_u64(f); }

/* As much of a text as fits into `to`, terminated. */
static void take_text(cursor* f, size_t size, char* to, size_t room) {
  if (size > f->size - f->at) size = f->size - f->at;
  const char* from = take(f, size);
  if (size >= room) size = room - 1;
  memcpy(to, from, size);
  to[size] = '\0';
}

static uint16_t type_of(const unsigned char* frame) {
  uint16_t type;
  memcpy(&type, frame + 4, sizeof type);
  return type;
}
static uint16_t status_of(const unsigned char* frame) {
  uint16_t status;
  memcpy(&status, frame + 6, sizeof status);
  return status;
}
static uint64_t id_of(const unsigned char* frame) {
  uint64_t id;
  memcpy(&id, frame + 8, sizeof id);
  return id;
}

static int send_frame(inferd_local* c, cursor* f, int fd, int flags, inferd_error* error) {
  if (f->broken) {
    return fail(error, INFERD_INVALID_ARGUMENT, "the request does not fit into a frame of %d bytes",
                MAX_FRAME);
  }
  if (!c->connected) return fail(error, INFERD_UNAVAILABLE, "the connection has ended");
  const uint32_t size = (uint32_t)f->size;
  memcpy(f->bytes, &size, sizeof size);
  struct iovec part = {f->bytes, f->size};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  }
  for (;;) {
    if (sendmsg(c->socket, &message, MSG_NOSIGNAL | flags) >= 0) return INFERD_OK;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
      return fail(error, INFERD_RESOURCE_EXHAUSTED,
                  "the daemon has not taken what was sent before");
    }
    /* Who is not let in is told why before the first frame is read: that waits to be received. */
    if (errno == EPIPE && c->max_in_flight == 0) return INFERD_OK;
    return lost(c, error, INFERD_UNAVAILABLE, "the daemon has closed the connection");
  }
}

static int set_timeout(inferd_local* c, int timeout_ms) {
  if (c->timeout_ms == timeout_ms) return 1;
  struct timeval t = {0, 0}; /* for ever */
  if (timeout_ms >= 0) {
    t.tv_sec = timeout_ms / 1000;
    t.tv_usec = timeout_ms % 1000 * 1000;
  }
  if (setsockopt(c->socket, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) != 0) return 0;
  c->timeout_ms = timeout_ms;
  return 1;
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static int64_t now_ms(void) { return now_ns() / 1000000; }

/* Whether something came while it was looked for. */
static int look_out(const inferd_local* c, int timeout_ms) {
  int64_t spin_ns = c->spin_ns;
  if (timeout_ms >= 0 && spin_ns > (int64_t)timeout_ms * 1000000) spin_ns = 0;
  if (spin_ns == 0) return 0;
  const int64_t until = now_ns() + spin_ns;
  do {
    if (recv(c->socket, NULL, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC) >= 0 || errno != EAGAIN)
      return 1;
  } while (now_ns() < until);
  return 0;
}

/* One frame into c->in, whole and with its header right. */
static int receive_frame(inferd_local* c, int timeout_ms, size_t* size, inferd_error* error) {
  if (!c->connected) return fail(error, INFERD_UNAVAILABLE, "the connection has ended");
  const int at_once = timeout_ms == 0 || look_out(c, timeout_ms);
  if (!at_once && !set_timeout(c, timeout_ms))
    return fail(error, INFERD_INTERNAL, "the timeout cannot be set: %s", strerror(errno));
  ssize_t got;
  int resets = 0; /* told once, before what the daemon said at last */
  do {
    got = recv(c->socket, c->in, MAX_FRAME, at_once ? MSG_DONTWAIT : 0);
  } while (got < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return fail(error, INFERD_DEADLINE_EXCEEDED, "no answer within %d ms", timeout_ms);
  }
  if (got <= 0) return lost(c, error, INFERD_UNAVAILABLE, "the daemon has closed the connection");
  uint32_t said = 0;
  if (got >= HEADER_BYTES) memcpy(&said, c->in, sizeof said);
  if (said != (size_t)got) return not_understood(c, error);
  *size = said;
  if (type_of(c->in) != VIOLATION) return INFERD_OK;
  c->connected = 0;
  cursor f = {c->in, said, HEADER_BYTES, 0};
  char message[256];
  take_text(&f, f.size - f.at, message, sizeof message);
  return fail(error, status_of(c->in), "the daemon ends the connection: %s", message);
}

/* An answer that nobody wants any more; forgets that. */
static int is_dropped(inferd_local* c, uint64_t id) {
  for (size_t i = 0; i < c->dropped_count; ++i) {
    if (c->dropped[i] != id) continue;
    c->dropped[i] = c->dropped[--c->dropped_count];
    return 1;
  }
  return 0;
}

static aside* take_aside(queue* q) {
  aside* a = q->first;
  if (a == NULL) return NULL;
  q->first = a->next;
  if (q->first == NULL) q->last = NULL;
  if (type_of(a->bytes) == RESULT) --q->results;
  return a;
}

/* Who does not look for events loses the oldest results, as he would in the daemon. */
static void drop_oldest_result(queue* q) {
  for (aside **at = &q->first, *before = NULL; *at != NULL; before = *at, at = &(*at)->next) {
    aside* a = *at;
    if (type_of(a->bytes) != RESULT || status_of(a->bytes) != INFERD_OK) continue;
    *at = a->next;
    if (q->last == a) q->last = before;
    --q->results;
    free(a);
    return;
  }
}

static int set_aside(inferd_local* c, queue* q, size_t size, inferd_error* error) {
  aside* a = malloc(sizeof *a + size + 1); /* and a terminator */
  if (a == NULL) return fail(error, INFERD_RESOURCE_EXHAUSTED, "out of memory");
  a->next = NULL;
  a->size = size;
  memcpy(a->bytes, c->in, size);
  if (type_of(a->bytes) == RESULT && ++q->results > MAX_KEPT_RESULTS) drop_oldest_result(q);
  if (q->last == NULL) {
    q->first = a;
  } else {
    q->last->next = a;
  }
  q->last = a;
  return INFERD_OK;
}

static int is_event(uint16_t type) { return type == (PUSH | ANSWER) || type == RESULT; }

/* Puts what came where somebody will look for it. */
static int keep(inferd_local* c, size_t size, inferd_error* error) {
  const uint16_t type = type_of(c->in);
  if (is_event(type)) return set_aside(c, &c->events, size, error);
  if (type != (INFER | ANSWER)) return not_understood(c, error);
  return is_dropped(c, id_of(c->in)) ? INFERD_OK : set_aside(c, &c->answers, size, error);
}

/* What is left of a time, from when it began. */
static int left_of(int timeout_ms, int64_t begin_ms) {
  if (timeout_ms <= 0) return timeout_ms;
  const int64_t left = begin_ms + timeout_ms - now_ms();
  return left > 0 ? (int)left : 0;
}

/* Waits for the answer to `id` of type `type`; what else comes is kept. */
static int wait_for(inferd_local* c, uint16_t type, uint64_t id, int timeout_ms, size_t* size,
                    inferd_error* error) {
  const int64_t begin = timeout_ms > 0 ? now_ms() : 0;
  for (;;) {
    int code = receive_frame(c, left_of(timeout_ms, begin), size, error);
    if (code == INFERD_DEADLINE_EXCEEDED && c->connected)
      return fail(error, code, "no answer within %d ms", timeout_ms); /* not: in what was left */
    if (code != INFERD_OK) return code;
    if (type_of(c->in) == (type | ANSWER) && id_of(c->in) == id) return INFERD_OK;
    code = keep(c, *size, error);
    if (code != INFERD_OK) return code;
  }
}

/* Sends a frame that is no INFER and waits for its answer, which must be there soon. */
static int call(inferd_local* c, cursor* f, int fd, cursor* answer, inferd_error* error) {
  const uint16_t type = type_of(f->bytes);
  int code = send_frame(c, f, fd, 0, error);
  size_t size = 0;
  if (code == INFERD_OK)
    code = wait_for(c, type, id_of(f->bytes), CONNECT_TIMEOUT_MS, &size, error);
  if (code != INFERD_OK) {
    /* An answer that comes too late could not be told from the next one's. */
    c->connected = 0;
    return code;
  }
  *answer = (cursor){c->in, size, HEADER_BYTES, 0};
  code = status_of(c->in);
  if (code == INFERD_OK) return INFERD_OK;
  char message[sizeof error->message];
  take_text(answer, size - HEADER_BYTES, message, sizeof message);
  return fail(error, code, "%s", message);
}

/* ---- Connection ---- */

static int open_socket(const char* path, inferd_error* error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    fail(error, INFERD_INVALID_ARGUMENT, "the path '%s' is too long", path);
    return -1;
  }
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (const struct sockaddr*)&address, sizeof address) == 0) return fd;
  fail(error, INFERD_UNAVAILABLE, "nobody answers at '%s': %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  return -1;
}

static int greet(inferd_local* c, inferd_error* error) {
  cursor f = begin(c, HELLO, 0);
  put_u32(&f, MAGIC);
  put_u16(&f, VERSION);
  put_u16(&f, VERSION);
  cursor answer;
  const int code = call(c, &f, -1, &answer, error);
  if (code != INFERD_OK) return code;
  const uint32_t magic = take_u32(&answer);
  const uint16_t version = take_u16(&answer);
  take_u16(&answer);
  take_u32(&answer); /* largest frame: not below ours in version 1 */
  c->max_in_flight = take_u32(&answer);
  c->max_buffers = take_u32(&answer);
  c->max_bindings = take_u32(&answer);
  take_u64(&answer);
  take_text(&answer, answer.size - answer.at, c->version, sizeof c->version);
  if (answer.broken || magic != MAGIC || version != VERSION) return not_understood(c, error);
  c->dropped = calloc(c->max_in_flight, sizeof *c->dropped);
  if (c->dropped == NULL) return fail(error, INFERD_RESOURCE_EXHAUSTED, "out of memory");
  return INFERD_OK;
}

int inferd_local_connect(const char* path, inferd_local** connection, inferd_error* error) {
  *connection = NULL;
  inferd_local* c = calloc(1, sizeof *c);
  if (c == NULL) return fail(error, INFERD_RESOURCE_EXHAUSTED, "out of memory");
  c->timeout_ms = -1;
  c->next_id = 1;
  c->socket = open_socket(path, error);
  c->connected = c->socket >= 0;
  const int code = c->connected ? greet(c, error) : INFERD_UNAVAILABLE;
  if (code != INFERD_OK) {
    inferd_local_close(c);
    return code;
  }
  *connection = c;
  return INFERD_OK;
}

void inferd_local_close(inferd_local* c) {
  if (c == NULL) return;
  if (c->socket >= 0) close(c->socket);
  while (c->bindings != NULL) {
    binding* next = c->bindings->next;
    free(c->bindings);
    c->bindings = next;
  }
  while (c->mappings != NULL) {
    mapping* next = c->mappings->next;
    if (c->mappings->data != NULL) munmap(c->mappings->data, c->mappings->bytes);
    free(c->mappings);
    c->mappings = next;
  }
  for (aside* a = NULL; (a = take_aside(&c->answers)) != NULL;) free(a);
  for (aside* a = NULL; (a = take_aside(&c->events)) != NULL;) free(a);
  free(c->shown);
  free(c->dropped);
  free(c->results);
  free(c);
}

int inferd_local_is_connected(const inferd_local* c) { return c->connected; }
const char* inferd_local_version(const inferd_local* c) { return c->version; }
uint32_t inferd_local_max_in_flight(const inferd_local* c) { return c->max_in_flight; }
int inferd_local_descriptor(const inferd_local* c) { return c->socket; }

void inferd_local_set_spin(inferd_local* c, uint32_t microseconds) {
  c->spin_ns = (int64_t)microseconds * 1000;
}

/* ---- Models ---- */

/* The tensors in front of the names, which follow in one piece of memory with them. */
static int read_tensors(cursor* f, binding* b, size_t count) {
  char* text = (char*)(b->tensors + count);
  for (size_t i = 0; i < count; ++i) {
    inferd_tensor* t = &b->tensors[i];
    t->type = (inferd_type)take_u8(f);
    t->rank = take_u8(f);
    const size_t name_bytes = take_u16(f);
    take_u32(f);
    if (t->rank > INFERD_MAX_RANK || t->type > INFERD_BOOL) return 0;
    for (uint32_t d = 0; d < t->rank; ++d) t->shape[d] = take_i64(f);
    if (name_bytes > f->size - f->at) return 0;
    memcpy(text, take(f, name_bytes), name_bytes);
    text[name_bytes] = '\0';
    t->name = text;
    text += name_bytes + 1;
    take(f, (8 - f->at % 8) % 8);
    if (f->broken) return 0;
  }
  return 1;
}

size_t inferd_tensor_bytes(const inferd_tensor* tensor, int64_t free_dim) {
  static const size_t sizes[] = {4, 2, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1}; /* by inferd_type */
  size_t bytes = sizes[tensor->type];
  for (uint32_t d = 0; d < tensor->rank; ++d) {
    const int64_t dim = tensor->shape[d] < 0 ? free_dim : tensor->shape[d];
    if (dim < 0 || __builtin_mul_overflow(bytes, (size_t)dim, &bytes)) return 0;
  }
  return bytes;
}

static int grow_results(inferd_local* c, size_t count) {
  if (count <= c->result_count) return 1;
  inferd_result* grown = realloc(c->results, count * sizeof *grown);
  if (grown == NULL) return 0;
  c->results = grown;
  c->result_count = count;
  return 1;
}

static uint32_t free_binding(const inferd_local* c) {
  uint32_t number = 0;
  for (const binding* b = c->bindings; b != NULL;) {
    if (b->model.number == number) {
      ++number;
      b = c->bindings;
    } else {
      b = b->next;
    }
  }
  return number;
}

int inferd_local_bind(inferd_local* c, const char* name, int64_t version,
                      const inferd_model** model, inferd_error* error) {
  *model = NULL;
  const size_t name_bytes = strlen(name);
  if (name_bytes > 1024 || version < 0)
    return fail(error, INFERD_INVALID_ARGUMENT, "no model has such a name or version");
  const uint32_t number = free_binding(c);
  if (number >= c->max_bindings)
    return fail(error, INFERD_RESOURCE_EXHAUSTED, "%u models are bound", number);
  cursor f = begin(c, BIND, c->next_id++);
  put_u32(&f, number);
  put_u16(&f, (uint16_t)name_bytes);
  put_u16(&f, 0);
  put_i64(&f, version);
  put(&f, name, name_bytes);
  cursor answer;
  const int code = call(c, &f, -1, &answer, error);
  if (code != INFERD_OK) return code;

  const int64_t bound = take_i64(&answer);
  const size_t inputs = take_u16(&answer), outputs = take_u16(&answer);
  take_u32(&answer);
  const size_t count = inputs + outputs;
  /* No name is longer than the frame, and each gets a terminator. */
  binding* b =
      calloc(1, sizeof *b + count * (sizeof(inferd_tensor) + 1) + answer.size + name_bytes + 1);
  if (b == NULL || !grow_results(c, outputs)) {
    free(b);
    return fail(error, INFERD_RESOURCE_EXHAUSTED, "out of memory");
  }
  if (!read_tensors(&answer, b, count)) {
    free(b);
    return not_understood(c, error);
  }
  char* own_name = (char*)(b->tensors + count) + count + answer.size;
  memcpy(own_name, name, name_bytes + 1);
  b->model =
      (inferd_model){own_name, bound, number, inputs, outputs, b->tensors, b->tensors + inputs};
  b->next = c->bindings;
  c->bindings = b;
  *model = &b->model;
  return INFERD_OK;
}

int inferd_local_unbind(inferd_local* c, const inferd_model* model, inferd_error* error) {
  for (binding** at = &c->bindings; *at != NULL; at = &(*at)->next) {
    binding* b = *at;
    if (&b->model != model) continue;
    cursor f = begin(c, UNBIND, c->next_id++), answer;
    put_u32(&f, model->number);
    put_u32(&f, 0);
    *at = b->next;
    free(b);
    return call(c, &f, -1, &answer, error);
  }
  return fail(error, INFERD_NOT_FOUND, "the model is not bound by this connection");
}

int inferd_local_list(inferd_local* c, uint32_t index, inferd_listing* listing, uint32_t* count,
                      inferd_error* error) {
  cursor f = begin(c, LIST, c->next_id++), answer;
  put_u32(&f, index);
  put_u32(&f, 0);
  const int code = call(c, &f, -1, &answer, error);
  if (code != INFERD_OK) return code;
  *count = take_u32(&answer);
  listing->state = take_u16(&answer);
  const size_t name_bytes = take_u16(&answer);
  listing->version = take_i64(&answer);
  take_text(&answer, name_bytes, listing->name, sizeof listing->name);
  take_text(&answer, answer.size - answer.at, listing->reason, sizeof listing->reason);
  return answer.broken ? not_understood(c, error) : INFERD_OK;
}

/* ---- Memory ---- */

static uint32_t free_buffer(const inferd_local* c) {
  uint32_t number = 0;
  for (const mapping* m = c->mappings; m != NULL;) {
    if (m->number == number) {
      ++number;
      m = c->mappings;
    } else {
      m = m->next;
    }
  }
  return number;
}

/* Takes over `data`, also when it fails. */
static int register_buffer(inferd_local* c, int fd, void* data, size_t bytes, inferd_buffer* buffer,
                           inferd_error* error) {
  mapping* m = calloc(1, sizeof *m);
  const uint32_t number = free_buffer(c);
  int code = INFERD_OK;
  if (m == NULL) {
    code = fail(error, INFERD_RESOURCE_EXHAUSTED, "out of memory");
  } else if (number >= c->max_buffers) {
    code = fail(error, INFERD_RESOURCE_EXHAUSTED, "%u buffers are mapped", number);
  } else {
    cursor f = begin(c, MAP, c->next_id++), answer;
    put_u32(&f, number);
    put_u32(&f, 0);
    put_u64(&f, bytes);
    code = call(c, &f, fd, &answer, error);
  }
  if (code != INFERD_OK) {
    if (data != NULL) munmap(data, bytes);
    free(m);
    return code;
  }
  *m = (mapping){c->mappings, number, data, bytes};
  c->mappings = m;
  *buffer = (inferd_buffer){number, data, bytes};
  return INFERD_OK;
}

int inferd_local_map(inferd_local* c, size_t bytes, inferd_buffer* buffer, inferd_error* error) {
  if (bytes == 0) return fail(error, INFERD_INVALID_ARGUMENT, "a buffer has 1 byte at least");
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const int fd = memfd_create("inferd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void* data = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0) {
    data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  }
  int code;
  if (data == MAP_FAILED) {
    code = fail(error, INFERD_RESOURCE_EXHAUSTED, "no memory of %zu bytes to share: %s", bytes,
                strerror(errno));
  } else {
    code = register_buffer(c, fd, data, bytes, buffer, error);
  }
  if (fd >= 0) close(fd);
  return code;
}

int inferd_local_map_file(inferd_local* c, int memfd, size_t bytes, inferd_buffer* buffer,
                          inferd_error* error) {
  return register_buffer(c, memfd, NULL, bytes, buffer, error);
}

int inferd_local_unmap(inferd_local* c, inferd_buffer* buffer, inferd_error* error) {
  for (mapping** at = &c->mappings; *at != NULL; at = &(*at)->next) {
    mapping* m = *at;
    if (m->number != buffer->number) continue;
    cursor f = begin(c, UNMAP, c->next_id++), answer;
    put_u32(&f, m->number);
    put_u32(&f, 0);
    *at = m->next;
    if (m->data != NULL) munmap(m->data, m->bytes);
    free(m);
    *buffer = (inferd_buffer){0, NULL, 0};
    return call(c, &f, -1, &answer, error);
  }
  return fail(error, INFERD_NOT_FOUND, "there is no buffer %u", buffer->number);
}

/* ---- Requests ---- */

static size_t aligned(size_t bytes) { return (bytes + 7) / 8 * 8; }

static void put_place(cursor* f, uint32_t buffer, uint64_t offset, uint64_t bytes, uint32_t rank,
                      const int64_t* shape) {
  put_u32(f, buffer);
  put_u8(f, shape != NULL ? (uint8_t)rank : BOUND_SHAPE);
  put_u8(f, 0);
  put_u16(f, 0);
  put_u64(f, offset);
  put_u64(f, bytes);
  for (uint32_t d = 0; shape != NULL && d < rank; ++d) put_i64(f, shape[d]);
}

static void put_inputs(cursor* f, const inferd_request* r) {
  const size_t inputs = r->model->input_count, outputs = r->model->output_count;
  /* Inline data lies behind all places. */
  uint64_t behind = f->size + 24 * (inputs + outputs);
  for (size_t i = 0; i < inputs; ++i)
    behind += r->inputs[i].has_shape ? 8 * (size_t)r->inputs[i].rank : 0;
  for (size_t i = 0; i < inputs; ++i) {
    const inferd_place* p = &r->inputs[i];
    const int64_t* shape = p->has_shape ? p->shape : NULL;
    if (p->data == NULL) {
      put_place(f, p->buffer, p->offset, p->bytes, p->rank, shape);
    } else {
      put_place(f, INLINE, behind, p->bytes, p->rank, shape);
      behind += aligned((size_t)p->bytes);
    }
  }
}

static void put_outputs(cursor* f, const inferd_request* r) {
  for (size_t i = 0; i < r->model->output_count; ++i) {
    const inferd_place* p = &r->outputs[i];
    if (p->is_inline || p->buffer == INFERD_NOWHERE) {
      put_place(f, p->is_inline ? INLINE : INFERD_NOWHERE, 0, 0, 0, NULL);
    } else {
      put_place(f, p->buffer, p->offset, p->bytes, 0, NULL);
    }
  }
}

static void put_inline_data(cursor* f, const inferd_request* r) {
  static const unsigned char zeros[8];
  for (size_t i = 0; i < r->model->input_count; ++i) {
    const inferd_place* p = &r->inputs[i];
    if (p->data == NULL) continue;
    const size_t bytes = (size_t)p->bytes; /* no more than MAX_FRAME */
    put(f, p->data, bytes);
    put(f, zeros, aligned(bytes) - bytes);
  }
}

int inferd_local_send(inferd_local* c, const inferd_request* r, uint64_t* id, inferd_error* error) {
  for (size_t i = 0; i < r->model->input_count; ++i) {
    const inferd_place* p = &r->inputs[i];
    if ((p->has_shape && p->rank > INFERD_MAX_RANK) || (p->data != NULL && p->bytes > MAX_FRAME))
      return fail(error, INFERD_INVALID_ARGUMENT, "input '%s' has too many dimensions or bytes",
                  r->model->inputs[i].name);
  }
  *id = c->next_id++;
  cursor f = begin(c, INFER, *id);
  put_u32(&f, r->model->number);
  put_u16(&f, (uint16_t)r->model->input_count);
  put_u16(&f, (uint16_t)r->model->output_count);
  put_i64(&f, r->deadline_ns);
  put_u32(&f, r->priority);
  put_u16(&f, (uint16_t)((r->sequence_start ? 1 : 0) | (r->sequence_end ? 2 : 0)));
  put_u16(&f, 0);
  put_u64(&f, r->sequence);
  put_inputs(&f, r);
  put_outputs(&f, r);
  put_inline_data(&f, r);
  return send_frame(c, &f, -1, MSG_DONTWAIT, error);
}

static int read_result(cursor* f, inferd_result* result) {
  const uint32_t buffer = take_u32(f);
  result->rank = take_u32(f);
  const uint64_t offset = take_u64(f);
  result->bytes = take_u64(f);
  result->data = NULL;
  if (result->rank > INFERD_MAX_RANK) return 0;
  for (uint32_t d = 0; d < result->rank; ++d) result->shape[d] = take_i64(f);
  if (f->broken || buffer != INLINE) return !f->broken;
  if (offset > f->size || result->bytes > f->size - offset) return 0;
  result->data = f->bytes + offset;
  return 1;
}

/* Of the frame that is in `f`. */
static int read_answer(inferd_local* c, cursor* f, inferd_answer* answer, inferd_error* error) {
  memset(answer, 0, sizeof *answer);
  answer->id = id_of(f->bytes);
  answer->code = status_of(f->bytes);
  answer->message = "";
  if (answer->code != INFERD_OK) {
    /* In place, one byte to the front to make room for a terminator. */
    const size_t length = f->size - HEADER_BYTES;
    char* text = (char*)f->bytes + HEADER_BYTES - 1;
    memmove(text, text + 1, length);
    text[length] = '\0';
    answer->message = text;
    return INFERD_OK;
  }
  answer->batch = take_u32(f);
  answer->output_count = take_u16(f);
  take_u16(f);
  answer->queue_ns = take_i64(f);
  answer->input_ns = take_i64(f);
  answer->compute_ns = take_i64(f);
  answer->daemon_ns = take_i64(f);
  if (f->broken || answer->output_count > c->result_count) return not_understood(c, error);
  for (size_t i = 0; i < answer->output_count; ++i) {
    if (!read_result(f, &c->results[i])) return not_understood(c, error);
  }
  answer->outputs = c->results;
  return INFERD_OK;
}

static void forget_shown(inferd_local* c) {
  free(c->shown);
  c->shown = NULL;
}

/* The next frame that `q` is for, in `f`. */
static int receive_for(inferd_local* c, queue* q, int timeout_ms, cursor* f, inferd_error* error) {
  forget_shown(c);
  const int64_t begin = timeout_ms > 0 ? now_ms() : 0;
  while (q->first == NULL) {
    size_t size = 0;
    int code = receive_frame(c, left_of(timeout_ms, begin), &size, error);
    if (code == INFERD_DEADLINE_EXCEEDED && c->connected)
      return fail(error, code, "nothing came within %d ms", timeout_ms);
    if (code != INFERD_OK) return code;
    const int events = q == &c->events;
    const int wanted = events ? is_event(type_of(c->in)) : type_of(c->in) == (INFER | ANSWER);
    if (wanted && (events || !is_dropped(c, id_of(c->in)))) {
      *f = (cursor){c->in, size, HEADER_BYTES, 0};
      return INFERD_OK;
    }
    if (wanted) continue; /* the answer to what was given up */
    code = keep(c, size, error);
    if (code != INFERD_OK) return code;
  }
  c->shown = take_aside(q);
  *f = (cursor){c->shown->bytes, c->shown->size, HEADER_BYTES, 0};
  return INFERD_OK;
}

int inferd_local_receive(inferd_local* c, int timeout_ms, inferd_answer* answer,
                         inferd_error* error) {
  cursor f;
  const int code = receive_for(c, &c->answers, timeout_ms, &f, error);
  return code == INFERD_OK ? read_answer(c, &f, answer, error) : code;
}

int inferd_local_infer(inferd_local* c, const inferd_request* request, int timeout_ms,
                       inferd_answer* answer, inferd_error* error) {
  forget_shown(c);
  uint64_t id = 0;
  size_t size = 0;
  int code = inferd_local_send(c, request, &id, error);
  if (code != INFERD_OK) return code;
  code = wait_for(c, INFER, id, timeout_ms, &size, error);
  if (code != INFERD_OK) {
    if (c->connected && c->dropped_count < c->max_in_flight) {
      c->dropped[c->dropped_count++] = id;
      inferd_local_cancel(c, id, NULL);
    }
    return code;
  }
  cursor f = {c->in, size, HEADER_BYTES, 0};
  code = read_answer(c, &f, answer, error);
  if (code != INFERD_OK || answer->code == INFERD_OK) return code;
  return fail(error, answer->code, "%s", answer->message);
}

int inferd_local_cancel(inferd_local* c, uint64_t id, inferd_error* error) {
  cursor f = begin(c, CANCEL, id);
  return send_frame(c, &f, -1, MSG_DONTWAIT, error);
}

/* ---- Pipelines ---- */

int inferd_local_push(inferd_local* c, const inferd_frame* frame, uint64_t* id,
                      inferd_error* error) {
  const size_t name_bytes = strlen(frame->source);
  if (name_bytes > 1024) return fail(error, INFERD_INVALID_ARGUMENT, "no source has such a name");
  const int samples = frame->columns != 0;
  *id = c->next_id++;
  cursor f = begin(c, PUSH, *id);
  put_u32(&f, frame->buffer);
  put_u8(&f, samples ? 1 : 0);
  put_u8(&f, samples ? 0 : (uint8_t)frame->pixels);
  put_u16(&f, (uint16_t)name_bytes);
  put_u64(&f, frame->offset);
  put_u64(&f, frame->bytes);
  put_i64(&f, frame->capture_ns);
  put_u32(&f, samples ? frame->columns : frame->width);
  put_u32(&f, samples ? 0 : frame->height);
  put_u32(&f, samples ? 0 : frame->stride);
  put_u32(&f, 0);
  put(&f, frame->source, name_bytes);
  return send_frame(c, &f, -1, MSG_DONTWAIT, error);
}

int inferd_local_watch(inferd_local* c, const char* pipeline, inferd_result_format format,
                       uint32_t capacity, uint64_t* id, inferd_error* error) {
  const size_t name_bytes = strlen(pipeline);
  if (name_bytes > 1024) return fail(error, INFERD_INVALID_ARGUMENT, "no pipeline has such a name");
  *id = c->next_id++;
  cursor f = begin(c, WATCH, *id), answer;
  put_u16(&f, (uint16_t)name_bytes);
  put_u8(&f, format == INFERD_BINARY ? 1 : 0);
  put_u8(&f, 0);
  put_u32(&f, capacity);
  put(&f, pipeline, name_bytes);
  return call(c, &f, -1, &answer, error);
}

int inferd_local_unwatch(inferd_local* c, uint64_t id, inferd_error* error) {
  cursor f = begin(c, UNWATCH, id), answer;
  return call(c, &f, -1, &answer, error);
}

/* With a terminator: there is room for it behind every frame. */
static const char* rest_of(cursor* f) {
  f->bytes[f->size] = '\0';
  return (const char*)f->bytes + f->at;
}

int inferd_local_event(inferd_local* c, int timeout_ms, inferd_event* event, inferd_error* error) {
  cursor f;
  const int code = receive_for(c, &c->events, timeout_ms, &f, error);
  if (code != INFERD_OK) return code;
  memset(event, 0, sizeof *event);
  event->kind = type_of(f.bytes) == RESULT ? INFERD_RESULT : INFERD_PUSHED;
  event->id = id_of(f.bytes);
  event->code = status_of(f.bytes);
  event->message = "";
  if (event->code != INFERD_OK) {
    event->message = rest_of(&f);
    return INFERD_OK;
  }
  if (event->kind == INFERD_PUSHED) {
    event->fate = take_u16(&f);
    take_u16(&f);
    take_u32(&f);
    event->capture_ns = take_i64(&f);
    event->held_ns = take_i64(&f);
  } else {
    event->dropped = take_u64(&f);
    event->sequence = take_u64(&f);
    event->capture_ns = take_i64(&f);
    event->result_ns = take_i64(&f);
    event->bytes = f.size - f.at;
    event->data = rest_of(&f);
  }
  return f.broken ? not_understood(c, error) : INFERD_OK;
}
