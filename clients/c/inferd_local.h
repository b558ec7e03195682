/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of inferd's local socket (docs/local-socket.md): models are run on memory that the
 * program shares with the daemon, and nothing is copied on the way. C11 and libc only; copy this
 * file and inferd_local.c into your program, or link inferd-local.
 *
 *   inferd_local *daemon;
 *   inferd_error error;
 *   if (inferd_local_connect("/run/inferd/local.sock", &daemon, &error)) die(error.message);
 *   const inferd_model *model;
 *   inferd_local_bind(daemon, "detector", 0, &model, &error);
 *   inferd_buffer memory;
 *   inferd_local_map(daemon, 1 << 20, &memory, &error);
 *
 *   inferd_place in = {.buffer = memory.number, .bytes = inferd_tensor_bytes(&model->inputs[0],
 * 1)}; inferd_place out = {.buffer = memory.number, .offset = 151552, .bytes = 4096};
 *   inferd_request request = {.model = model, .inputs = &in, .outputs = &out};
 *   inferd_answer answer;
 *   for (;;) {
 *     fill((unsigned char *)memory.data + in.offset);
 *     if (inferd_local_infer(daemon, &request, 1000, &answer, &error)) break;
 *     use((unsigned char *)memory.data + out.offset, answer.outputs[0].bytes);
 *   }
 *   inferd_local_close(daemon);
 *
 * The whole of such a program: clients/c/examples/run.c.
 *
 * Functions return 0, or an INFERD_ code with `error` filled in (which may be NULL). After
 * INFERD_UNAVAILABLE or INFERD_DATA_LOSS the connection is of no use any more, unless it is an
 * answer of the daemon about a model that is being unloaded: `inferd_local_is_connected` tells.
 *
 * Threads: a connection belongs to one thread at a time. Several connections are independent.
 *
 * Memory: a request that is answered allocates nothing and makes two system calls, send and
 * receive.
 */
#ifndef INFERD_LOCAL_H
#define INFERD_LOCAL_H

#include <stddef.h> /* NOLINT(modernize-deprecated-headers) */
#include <stdint.h> /* NOLINT(modernize-deprecated-headers) */

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN(modernize-*,readability-identifier-naming): this is C. */

/* Numbered as gRPC's status codes. */
enum {
  INFERD_OK = 0,
  INFERD_CANCELLED = 1,
  INFERD_UNKNOWN = 2,
  INFERD_INVALID_ARGUMENT = 3,
  INFERD_DEADLINE_EXCEEDED = 4,
  INFERD_NOT_FOUND = 5,
  INFERD_ALREADY_EXISTS = 6,
  INFERD_PERMISSION_DENIED = 7,
  INFERD_RESOURCE_EXHAUSTED = 8,
  INFERD_FAILED_PRECONDITION = 9,
  INFERD_OUT_OF_RANGE = 11,
  INFERD_UNIMPLEMENTED = 12,
  INFERD_INTERNAL = 13,
  INFERD_UNAVAILABLE = 14,
  INFERD_DATA_LOSS = 15 /* the other end does not speak the protocol */
};

typedef struct {
  int code;
  char message[512];
} inferd_error;

enum { INFERD_MAX_RANK = 8 };

typedef enum {
  INFERD_FP32,
  INFERD_FP16,
  INFERD_FP64,
  INFERD_INT8,
  INFERD_UINT8,
  INFERD_INT16,
  INFERD_UINT16,
  INFERD_INT32,
  INFERD_UINT32,
  INFERD_INT64,
  INFERD_UINT64,
  INFERD_BOOL
} inferd_type;

/* ---- Connection ---- */

typedef struct inferd_local inferd_local;

/* Waits at most 10 s for the daemon's greeting. UNAVAILABLE: nobody answers at `path`. */
int inferd_local_connect(const char* path, inferd_local** connection, inferd_error* error);
void inferd_local_close(inferd_local* connection); /* frees everything it gave out; NULL is fine */
int inferd_local_is_connected(const inferd_local* connection);
const char* inferd_local_version(const inferd_local* connection); /* of the daemon */
uint32_t inferd_local_max_in_flight(const inferd_local* connection);
/* Readable when an answer has come, for poll(). One that is waiting for another answer may have set
 * this one aside: call inferd_local_receive with timeout 0 before poll(). */
int inferd_local_descriptor(const inferd_local* connection);
/* How long to look for an answer before sleeping, 0 at first. Saves being woken, tens of
 * microseconds where the daemon has a core of its own, and holds this one meanwhile. */
void inferd_local_set_spin(inferd_local* connection, uint32_t microseconds);

/* ---- Models ---- */

typedef struct {
  const char* name;
  inferd_type type;
  uint32_t rank;
  int64_t shape[INFERD_MAX_RANK]; /* -1: any */
} inferd_tensor;

typedef struct {
  const char* name;
  int64_t version;
  uint32_t number; /* of the binding */
  size_t input_count, output_count;
  const inferd_tensor *inputs, *outputs;
} inferd_model;

/* Of a tensor whose every free dimension is `free_dim`, for buffers and places; 0: more than fits
 * into memory. */
size_t inferd_tensor_bytes(const inferd_tensor* tensor, int64_t free_dim);

/* `version` 0: the newest. The model belongs to the connection. NOT_FOUND tells what there is. */
int inferd_local_bind(inferd_local* connection, const char* name, int64_t version,
                      const inferd_model** model, inferd_error* error);
int inferd_local_unbind(inferd_local* connection, const inferd_model* model, inferd_error* error);

typedef struct {
  char name[256];
  int64_t version;
  int state; /* 0 loading, 1 ready, 2 failed or unloaded */
  char reason[512];
} inferd_listing;

/* Model `index` of `*count`. OUT_OF_RANGE when there is none. */
int inferd_local_list(inferd_local* connection, uint32_t index, inferd_listing* listing,
                      uint32_t* count, inferd_error* error);

/* ---- Memory ---- */

typedef struct {
  uint32_t number;
  void* data; /* zeros at first */
  size_t bytes;
} inferd_buffer;

/* Memory that both processes see, until unmapped or closed. RESOURCE_EXHAUSTED: the daemon's
 * limits. */
int inferd_local_map(inferd_local* connection, size_t bytes, inferd_buffer* buffer,
                     inferd_error* error);
/* The same for a memfd that is there already, with the seals that the protocol asks for. `data`
 * becomes NULL: how it is mapped here is the caller's business, and so is the descriptor. */
int inferd_local_map_file(inferd_local* connection, int memfd, size_t bytes, inferd_buffer* buffer,
                          inferd_error* error);
/* Here at once, there when the last request that uses it is done. */
int inferd_local_unmap(inferd_local* connection, inferd_buffer* buffer, inferd_error* error);

/* ---- Requests ---- */

#define INFERD_NOWHERE 0xFFFFFFFEu /* an output that is not wanted */

typedef struct {
  uint32_t buffer;
  uint64_t offset;  /* in the buffer, a multiple of 8; 64 is fastest */
  uint64_t bytes;   /* of an input: its size; of an output: how much room there is */
  const void* data; /* instead of a buffer: a small input travels in the frame */
  int is_inline;    /* of an output: it comes with the answer */
  int has_shape;    /* of an input: 0 for the model's shape, with 1 where that is -1 */
  uint32_t rank;
  int64_t shape[INFERD_MAX_RANK];
} inferd_place;

typedef struct {
  const inferd_model* model;
  const inferd_place *inputs, *outputs; /* as many, and in the order, that the model has */
  int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none. What has not begun by then is refused */
  uint32_t priority;   /* 1 is the most urgent; 0: the model's default */
  uint64_t sequence;   /* of a model with states; 0: none */
  int sequence_start, sequence_end;
} inferd_request;

typedef struct {
  uint64_t bytes;
  const void* data; /* of an inline output; NULL for others */
  uint32_t rank;
  int64_t shape[INFERD_MAX_RANK];
} inferd_result;

/* Valid until the next call with the connection. */
typedef struct {
  uint64_t id;
  int code; /* 0: the outputs are in their places */
  const char* message;
  size_t output_count;
  const inferd_result* outputs;
  uint32_t batch; /* how many batch elements ran together */
  int64_t queue_ns, input_ns, compute_ns, daemon_ns;
} inferd_answer;

/* Sends a request and waits for its answer, at most `timeout_ms` (-1: for ever); then it is
 * cancelled, the call returns DEADLINE_EXCEEDED, and the answer will be dropped when it comes. If
 * the model was running already, the daemon may still write to the places of the outputs for a
 * while. An error that the daemon answers is returned like any other. */
int inferd_local_infer(inferd_local* connection, const inferd_request* request, int timeout_ms,
                       inferd_answer* answer, inferd_error* error);

/* The same in two steps, so that several can be on their way. RESOURCE_EXHAUSTED: the daemon has
 * not taken what was sent before; receive first. */
int inferd_local_send(inferd_local* connection, const inferd_request* request, uint64_t* id,
                      inferd_error* error);
/* The next answer, of whichever request: 0 even when that is an error (`answer->code`).
 * DEADLINE_EXCEEDED: none within `timeout_ms`. */
int inferd_local_receive(inferd_local* connection, int timeout_ms, inferd_answer* answer,
                         inferd_error* error);
/* The request is answered all the same, with CANCELLED if it had not begun. */
int inferd_local_cancel(inferd_local* connection, uint64_t id, inferd_error* error);

/* ---- Pipelines ---- */

/* Numbered as in the protocol; docs/pipelines.md tells what they are. */
typedef enum {
  INFERD_RGB,
  INFERD_BGR,
  INFERD_RGBX,
  INFERD_BGRX,
  INFERD_GREY,
  INFERD_YUYV,
  INFERD_UYVY,
  INFERD_NV12,
  INFERD_NV21,
  INFERD_I420
} inferd_pixels;

/* A frame for a source `push`: it must be as that is configured. */
typedef struct {
  const char* source; /* the source's `name` */
  uint32_t buffer;
  uint64_t offset;      /* in the buffer, a multiple of 8 */
  uint64_t bytes;       /* its size */
  int64_t capture_ns;   /* CLOCK_MONOTONIC; 0: now */
  uint32_t columns;     /* 0: a picture; else rows of so many floats */
  inferd_pixels pixels; /* of pictures, as what follows */
  uint32_t width, height;
  uint32_t stride; /* bytes from row to row; 0: rows without padding */
} inferd_frame;

/* Sends a frame. Nothing is copied: its memory is the daemon's until an event tells of `id`.
 * RESOURCE_EXHAUSTED: the daemon has not taken what was sent before. */
int inferd_local_push(inferd_local* connection, const inferd_frame* frame, uint64_t* id,
                      inferd_error* error);

typedef enum {
  INFERD_JSON,  /* as docs/pipelines.md has it */
  INFERD_BINARY /* as daemon/pipeline/result_binary.h has it */
} inferd_result_format;

/* Asks for the results of a pipeline from now on. The daemon keeps `capacity` of them for a slow
 * reader (0: 16, at most 1000); what is dropped it counts. */
int inferd_local_watch(inferd_local* connection, const char* pipeline, inferd_result_format format,
                       uint32_t capacity, uint64_t* id, inferd_error* error);
int inferd_local_unwatch(inferd_local* connection, uint64_t id, inferd_error* error);

typedef enum { INFERD_PUSHED, INFERD_RESULT } inferd_event_kind;

/* What became of a frame. */
enum {
  INFERD_OVERWRITTEN, /* a newer one came before a node had time for it */
  INFERD_SKIPPED,     /* by `every` or `max_fps` */
  INFERD_STALE,       /* past the pipeline's deadline */
  INFERD_STOPPED,     /* the pipeline was stopped */
  INFERD_FAILED,      /* a stage refused it */
  INFERD_USED         /* a node has finished it */
};

/* Valid until the next call with the connection. */
typedef struct {
  inferd_event_kind kind;
  uint64_t id; /* that inferd_local_push or inferd_local_watch gave */
  /* 0, or why the frame was not taken. Of results: OUT_OF_RANGE, this one was too large;
   * UNAVAILABLE, the pipeline has ended, and nothing more will come. */
  int code;
  const char* message;
  int64_t capture_ns;
  int fate;        /* of frames */
  int64_t held_ns; /* of frames: how long the daemon had them */
  /* Of results, as all that follows; the text of JSON has a terminator behind `bytes`. */
  uint64_t sequence, dropped; /* results that this watch has missed so far */
  int64_t result_ns;
  const void* data;
  size_t bytes;
} inferd_event;

/* The next event: 0 even when it tells of an error (`event->code`). DEADLINE_EXCEEDED: none within
 * `timeout_ms` (-1: for ever). Events that come while an answer is waited for are kept: of results
 * the newest 64. */
int inferd_local_event(inferd_local* connection, int timeout_ms, inferd_event* event,
                       inferd_error* error);

/* NOLINTEND(modernize-*,readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif /* INFERD_LOCAL_H */
