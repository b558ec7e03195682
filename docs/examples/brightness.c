/* SPDX-License-Identifier: Apache-2.0
 *
 * A stage in C: says how bright each picture is, 0 to 255, and leaves out those that are too dark
 * to find anything in.
 *
 *   cc -std=c11 -O2 -shared -fPIC -fvisibility=hidden -o libbrightness.so brightness.c
 *
 *   stages:
 *     - custom: {library: libbrightness.so, darkest: 20}
 */
#include <errno.h>
#include <inferd/stage.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  double darkest;
  inferd_stage_value value; /* what the last output points to */
} brightness;

static int fail(char* error, const char* reason, const char* what) {
  snprintf(error, INFERD_STAGE_ERROR_BYTES, "%s '%s'", reason, what);
  return INFERD_STAGE_FAILED;
}

static int read_level(const char* text, double* level) {
  char* end = NULL;
  errno = 0;
  *level = strtod(text, &end);
  return errno == 0 && end != text && *end == '\0' && *level >= 0 && *level <= 255;
}

static int create(const inferd_stage_option* options, size_t count, void** stage, char* error) {
  double darkest = 0;
  for (size_t i = 0; i < count; ++i) {
    if (strcmp(options[i].key, "darkest") != 0) return fail(error, "has no key", options[i].key);
    if (!read_level(options[i].value, &darkest))
      return fail(error, "'darkest' must be a number from 0 to 255, not", options[i].value);
  }
  brightness* made = calloc(1, sizeof *made);
  if (made == NULL) return INFERD_STAGE_FAILED;
  made->darkest = darkest;
  made->value.name = "brightness";
  *stage = made;
  return INFERD_STAGE_OK;
}

/* Which bytes of a row of the first plane are looked at: from `first` on in steps of `step`, `use`
 * of them each time. */
typedef struct {
  size_t first, step, use;
} pattern;

static pattern pattern_of(int32_t format) {
  switch (format) {
    case INFERD_STAGE_RGB:
    case INFERD_STAGE_BGR:
      return (pattern){0, 3, 3};
    case INFERD_STAGE_RGBX:
    case INFERD_STAGE_BGRX:
      return (pattern){0, 4, 3};
    case INFERD_STAGE_YUYV:
      return (pattern){0, 2, 1};
    case INFERD_STAGE_UYVY:
      return (pattern){1, 2, 1};
    default:
      return (pattern){0, 1, 1};
  }
}

static int process(void* stage, const inferd_stage_frame* frame, inferd_stage_output* output,
                   char* error) {
  brightness* self = stage;
  if (frame->width == 0) return fail(error, "needs pictures; there is none in", "the frame");
  const pattern p = pattern_of(frame->format);
  uint64_t sum = 0;
  for (int32_t y = 0; y < frame->height; ++y) {
    const uint8_t* at = frame->planes[0] + (size_t)y * frame->strides[0] + p.first;
    for (int32_t x = 0; x < frame->width; ++x, at += p.step) {
      for (size_t i = 0; i < p.use; ++i) sum += at[i];
    }
  }
  const double bytes = (double)frame->width * frame->height * (double)p.use;
  self->value.value = (double)sum / bytes;
  if (self->value.value < self->darkest) return INFERD_STAGE_LEAVE_OUT;
  output->values = &self->value;
  output->value_count = 1;
  return INFERD_STAGE_OK;
}

static void destroy(void* stage) { free(stage); }

INFERD_STAGE_EXPORT const inferd_stage_functions inferd_stage = {INFERD_STAGE_ABI, create, process,
                                                                 destroy};
