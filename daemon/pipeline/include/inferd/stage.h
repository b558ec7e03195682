/* SPDX-License-Identifier: Apache-2.0
 *
 * A stage of a pipeline in a shared library of your own: C11 and nothing else to link. The library
 * has one symbol, which says what it can do:
 *
 *   static int create(const inferd_stage_option *options, size_t count, void **stage, char *error);
 *   static int process(void *stage, const inferd_stage_frame *frame, inferd_stage_output *output,
 *                      char *error);
 *   static void destroy(void *stage);
 *
 *   INFERD_STAGE_EXPORT const inferd_stage_functions inferd_stage = {INFERD_STAGE_ABI, create,
 *                                                                    process, destroy};
 *
 * and a pipeline names it (docs/pipelines.md, "custom"):
 *
 *   - custom: {library: libbrightness.so, process: own, bright: 200}
 *
 * The whole of such a library: docs/examples/brightness.c.
 *
 * Threads: the functions are called by one thread at a time for each stage, not always the same
 * one. Several stages of one library may be at work at the same time, in one process or in several.
 *
 * Memory: what functions are given belongs to the caller and is gone when they return. What
 * `process` points its output to belongs to the stage, and must stay as it is until the next call
 * for this stage.
 *
 * Errors: functions return INFERD_STAGE_OK or another code, and may write the reason into `error`:
 * up to INFERD_STAGE_ERROR_BYTES with the zero at its end. Nothing may be thrown or jumped out of
 * the functions. With `process: inside` whatever the library does wrong is done by the daemon; with
 * `process: own` a crash or an endless loop costs one frame.
 */
#ifndef INFERD_STAGE_H
#define INFERD_STAGE_H

#include <stddef.h> /* NOLINT(modernize-deprecated-headers) */
#include <stdint.h> /* NOLINT(modernize-deprecated-headers) */

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN(modernize-*,readability-identifier-naming): this is C. */

/* Grows when something here changes; a library with another number is refused. */
#define INFERD_STAGE_ABI 1

#define INFERD_STAGE_EXPORT __attribute__((visibility("default")))

enum {
  INFERD_STAGE_OK = 0,
  INFERD_STAGE_LEAVE_OUT = 1, /* of process: nothing more is done with the frame; no error */
  INFERD_STAGE_FAILED = 2     /* as any other: the frame is dropped and the reason reported */
};

enum { INFERD_STAGE_ERROR_BYTES = 512 };

/* How a picture's bytes lie in memory. */
typedef enum {
  INFERD_STAGE_RGB,  /* 3 bytes a pixel */
  INFERD_STAGE_BGR,  /* 3 bytes a pixel */
  INFERD_STAGE_RGBX, /* 4 bytes a pixel, the last without meaning */
  INFERD_STAGE_BGRX, /* 4 bytes a pixel, the last without meaning */
  INFERD_STAGE_GREY, /* 1 byte a pixel */
  INFERD_STAGE_YUYV, /* 4:2:2, Y U Y V for two pixels */
  INFERD_STAGE_UYVY, /* 4:2:2, U Y V Y for two pixels */
  INFERD_STAGE_NV12, /* 4:2:0, a plane of Y and one of U V pairs */
  INFERD_STAGE_NV21, /* the same with V U pairs */
  INFERD_STAGE_I420  /* 4:2:0, a plane each of Y, U and V */
} inferd_stage_format;

/* What Y, U and V mean: ITU-R BT.601 or BT.709, with 16..235 or (full) 0..255 for Y. */
typedef enum {
  INFERD_STAGE_BT601,
  INFERD_STAGE_BT601_FULL,
  INFERD_STAGE_BT709,
  INFERD_STAGE_BT709_FULL
} inferd_stage_color;

/* A key of the stage's configuration that is not the daemon's own, as text. A key with a list comes
 * once for each of its items, in their order. */
typedef struct {
  const char* key;
  const char* value;
} inferd_stage_option;

/* A part of the frame's width and height: 0..1, y down. */
typedef struct {
  float x, y; /* may lie outside of the frame */
  float score;
} inferd_stage_point;

typedef struct {
  float x_min, y_min, x_max, y_max; /* 0..1 of the frame, y down */
  float score;                      /* 0..1 */
  int32_t class_id;
  const char* label; /* UTF-8; "" or, in outputs, NULL: none */
  const char* text;  /* the same: what a model read in the box */
  const inferd_stage_point* points;
  size_t point_count;
  uint64_t track_id; /* from 1; 0: not tracked */
  /* In outputs: which of the frame's detections this one was, so that it keeps what is not in here;
   * -1: it is new. In frames: its own place. */
  int64_t origin;
} inferd_stage_detection;

/* A number with a name: a level, a distance, a speed. */
typedef struct {
  const char* name;
  double value;
} inferd_stage_value;

/* A frame, and what the stages before found in it. Nothing in it may be written to. */
typedef struct {
  uint64_t sequence;  /* of the source's frames, from 1; gaps are dropped frames */
  int64_t capture_ns; /* CLOCK_MONOTONIC */
  const char* name;   /* of the file, where pictures come from files; else "" */

  /* The picture. Row y of plane p begins at planes[p] + y * strides[p]; planes that a format lacks
   * are NULL. */
  int32_t width, height; /* pixels; 0: there is no picture */
  int32_t format;        /* inferd_stage_format */
  int32_t color;         /* inferd_stage_color */
  const uint8_t* planes[3];
  size_t strides[3];

  /* Samples: `rows` moments of `columns` values each, row by row. */
  int32_t rows, columns; /* 0: there are none */
  double rate_hz;        /* rows a second; 0: not at a rate */
  const float* samples;

  const inferd_stage_detection* detections;
  size_t detection_count;
  const inferd_stage_value* values;
  size_t value_count;
  const char* text; /* that was read or heard; "": none */
} inferd_stage_frame;

enum {
  INFERD_STAGE_REPLACE_DETECTIONS = 1, /* else they join those of the frame */
  INFERD_STAGE_REPLACE_VALUES = 2      /* else they join those of the frame */
};

/* What `process` found: all zero when it is called. Numbers must be finite; at most 10,000
 * detections of 1,000 points each, 10,000 values, and texts of 65,536 bytes; with `process: own`
 * all of it, and all that a frame brings along but picture and samples, at most 128 KiB. */
typedef struct {
  uint32_t replace; /* INFERD_STAGE_REPLACE_ flags */
  const inferd_stage_detection* detections;
  size_t detection_count;
  const inferd_stage_value* values;
  size_t value_count;
  const char* text; /* instead of the frame's; NULL: leave it */
} inferd_stage_output;

typedef struct {
  uint32_t abi; /* INFERD_STAGE_ABI; always first */

  /* Makes a stage, once for each place where a pipeline has it, and writes it to `stage`. Fails
   * for keys that it does not know and values that it does not take. */
  int (*create)(const inferd_stage_option* options, size_t count, void** stage, char* error);

  /* Works on a frame. The detections, values and text that it is given are those of the stages
   * before. */
  int (*process)(void* stage, const inferd_stage_frame* frame, inferd_stage_output* output,
                 char* error);

  /* The last call for a stage that `create` has made. */
  void (*destroy)(void* stage);
} inferd_stage_functions;

/* NOLINTEND(modernize-*,readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif
