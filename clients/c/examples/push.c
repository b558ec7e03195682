/* SPDX-License-Identifier: Apache-2.0
 *
 * Pushes pictures to a pipeline whose source is `push` and prints its results: the loop of a
 * program that has the camera itself. The pictures are grey, in RGB.
 *
 *   push SOCKET SOURCE PIPELINE WIDTH HEIGHT     e.g. push /run/inferd/local.sock pad landing_pad
 * 320 240
 */
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inferd_local.h"

enum { FRAMES = 10, TIMEOUT_MS = 10000 };

static const char* fate_name(int fate) {
  static const char* const names[] = {"overwritten", "skipped", "stale",
                                      "stopped",     "failed",  "used"};
  return fate >= 0 && fate < (int)(sizeof names / sizeof *names) ? names[fate] : "unknown";
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits until the frame's memory may be written again, and for its result. */
static int wait_for_frame(inferd_local* daemon, uint64_t id, int64_t capture_ns,
                          inferd_error* error) {
  for (int gone = 0, seen = 0; !gone || !seen;) {
    inferd_event event;
    const int code = inferd_local_event(daemon, TIMEOUT_MS, &event, error);
    if (code != INFERD_OK) return code;
    if (event.code != INFERD_OK) {
      snprintf(error->message, sizeof error->message, "%s", event.message);
      return event.code;
    }
    if (event.kind == INFERD_RESULT) {
      if (event.capture_ns != capture_ns) continue; /* somebody else's frame */
      printf("%.1f ms %.*s\n", (double)(event.result_ns - event.capture_ns) * 1e-6,
             (int)event.bytes, (const char*)event.data);
      seen = 1;
    } else if (event.id == id) {
      printf("frame %d %s\n", (int)id, fate_name(event.fate));
      if (event.fate != INFERD_USED) seen = 1; /* there will be no result */
      gone = 1;
    }
  }
  return INFERD_OK;
}

static int run(inferd_local* daemon, const char* source, const char* pipeline, uint32_t width,
               uint32_t height, inferd_error* error) {
  uint64_t watch = 0;
  int code = inferd_local_watch(daemon, pipeline, INFERD_JSON, 0, &watch, error);
  if (code != INFERD_OK) return code;
  inferd_buffer memory;
  inferd_frame frame = {
      .source = source, .bytes = (uint64_t)width * height * 3, .width = width, .height = height};
  code = inferd_local_map(daemon, (size_t)frame.bytes, &memory, error);
  frame.buffer = memory.number;
  for (int i = 0; code == INFERD_OK && i < FRAMES; ++i) {
    memset(memory.data, i, (size_t)frame.bytes); /* here a program takes a picture */
    frame.capture_ns = now_ns();
    uint64_t id = 0;
    code = inferd_local_push(daemon, &frame, &id, error);
    if (code == INFERD_OK) code = wait_for_frame(daemon, id, frame.capture_ns, error);
  }
  return code;
}

int main(int argc, char** argv) {
  const unsigned long width = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;
  const unsigned long height = argc == 6 ? strtoul(argv[5], NULL, 10) : 0;
  if (width < 1 || width > 65536 || height < 1 || height > 65536) {
    fprintf(stderr, "usage: push SOCKET SOURCE PIPELINE WIDTH HEIGHT\n");
    return 2;
  }
  inferd_local* daemon;
  inferd_error error = {0, ""};
  int code = inferd_local_connect(argv[1], &daemon, &error);
  if (code == INFERD_OK)
    code = run(daemon, argv[2], argv[3], (uint32_t)width, (uint32_t)height, &error);
  if (code != INFERD_OK) fprintf(stderr, "%s\n", error.message);
  inferd_local_close(daemon);
  return code == INFERD_OK ? 0 : 1;
}
