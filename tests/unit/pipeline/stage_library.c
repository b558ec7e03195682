/* SPDX-License-Identifier: Apache-2.0
 *
 * A stage that behaves as its options say: `do` what, with each frame whose number is a multiple of
 * `every` (1). With other frames it does nothing. Any other option is refused.
 */
#include <inferd/stage.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char* const known[] = {"describe", "detect", "refine", "leave_out", "fail",  "nan",
                                    "origin",   "null",   "many",   "text",      "large", "crash",
                                    "hang",     "exit",   "grow",   "chatter"};

typedef struct {
  char what[16];
  uint64_t every;
  char text[1024];
  char* long_text;
  inferd_stage_point points[2];
  inferd_stage_detection detections[8];
  inferd_stage_value values[2];
} library_stage;

static int create(const inferd_stage_option* options, size_t count, void** stage, char* error) {
  library_stage* self = calloc(1, sizeof *self);
  self->every = 1;
  for (size_t i = 0; i < count; ++i) {
    const char* key = options[i].key;
    const char* value = options[i].value;
    int good = 0;
    if (strcmp(key, "every") == 0) good = (self->every = strtoull(value, NULL, 10)) > 0;
    for (size_t k = 0; strcmp(key, "do") == 0 && k < sizeof known / sizeof *known; ++k) {
      good = good || strcmp(value, known[k]) == 0;
    }
    if (strcmp(key, "do") == 0) snprintf(self->what, sizeof self->what, "%s", value);
    if (!good) {
      snprintf(error, INFERD_STAGE_ERROR_BYTES, "does not take %s=%s", key, value);
      free(self);
      return INFERD_STAGE_FAILED;
    }
  }
  *stage = self;
  return INFERD_STAGE_OK;
}

static int is(const library_stage* self, const char* what) { return strcmp(self->what, what) == 0; }

/* What it sees: sums of all that is there, so that nothing can be at another place. RGB and I420.
 */
static void describe(library_stage* self, const inferd_stage_frame* f) {
  uint64_t pixels = 0;
  for (int p = 0; p < 3 && f->planes[p] != NULL; ++p) {
    const int32_t rows = p == 0 ? f->height : f->height / 2;
    const int32_t bytes = f->format == INFERD_STAGE_RGB ? f->width * 3
                          : p == 0                      ? f->width
                                                        : f->width / 2;
    for (int32_t y = 0; y < rows; ++y) {
      for (int32_t x = 0; x < bytes; ++x)
        pixels += (uint64_t)(p + 1) * f->planes[p][(size_t)y * f->strides[p] + (size_t)x];
    }
  }
  double samples = 0;
  for (int32_t i = 0; i < f->rows * f->columns; ++i) samples += (double)f->samples[i];
  int used = snprintf(self->text, sizeof self->text, "%llu %lld '%s' %dx%d %d/%d %llu %dx%d@%g %g",
                      (unsigned long long)f->sequence, (long long)f->capture_ns, f->name, f->width,
                      f->height, f->format, f->color, (unsigned long long)pixels, f->rows,
                      f->columns, f->rate_hz, samples);
  for (size_t i = 0; i < f->detection_count; ++i) {
    const inferd_stage_detection* d = &f->detections[i];
    used += snprintf(self->text + used, sizeof self->text - (size_t)used,
                     " [%s/%s %d %g %g..%g #%llu %zu:%g @%lld]", d->label, d->text, d->class_id,
                     (double)d->score, (double)d->x_min, (double)d->x_max,
                     (unsigned long long)d->track_id, d->point_count,
                     d->point_count > 0 ? (double)d->points[d->point_count - 1].x : 0.0,
                     (long long)d->origin);
  }
  for (size_t i = 0; i < f->value_count; ++i) {
    used += snprintf(self->text + used, sizeof self->text - (size_t)used, " %s=%g",
                     f->values[i].name, f->values[i].value);
  }
  snprintf(self->text + used, sizeof self->text - (size_t)used, " \"%s\"", f->text);
}

static void detect(library_stage* self, inferd_stage_output* output) {
  self->points[0] = (inferd_stage_point){0.25F, 0.5F, 1};
  self->points[1] = (inferd_stage_point){1.5F, -0.5F, 0.5F};
  self->detections[0] = (inferd_stage_detection){-0.5F,  0.25F, 0.5F,         1.25F, 0.75F, 3,
                                                 "door", NULL,  self->points, 2,     0,     -1};
  self->detections[1] = (inferd_stage_detection){0, 0, 1, 1, 0.5F, 4, NULL, NULL, NULL, 0, 9, -1};
  self->values[0] = (inferd_stage_value){"level", 0.5};
  output->detections = self->detections;
  output->detection_count = 2;
  output->values = self->values;
  output->value_count = 1;
}

/* The frame's own detections from last to first, half as sure. */
static void refine(library_stage* self, const inferd_stage_frame* frame,
                   inferd_stage_output* output) {
  for (size_t i = 0; i < frame->detection_count; ++i) {
    self->detections[i] = frame->detections[frame->detection_count - 1 - i];
    self->detections[i].score /= 2;
  }
  output->replace = INFERD_STAGE_REPLACE_DETECTIONS | INFERD_STAGE_REPLACE_VALUES;
  output->detections = self->detections;
  output->detection_count = frame->detection_count;
  output->text = frame->detection_count > 0 ? frame->detections[0].label : NULL;
}

static int misbehave(library_stage* self, inferd_stage_output* output) {
  if (is(self, "crash")) {
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit of it */
    raise(SIGSEGV);
  }
  if (is(self, "exit")) _exit(3);
  if (is(self, "hang")) {
    for (;;) pause();
  }
  if (is(self, "grow")) {
    for (;;) memset(calloc(1, 1 << 20), 1, 1 << 20);
  }
  if (is(self, "chatter")) (void)!write(3, "no answer", 9);
  detect(self, output);
  if (is(self, "nan")) self->points[1].x = NAN;
  if (is(self, "origin")) self->detections[0].origin = 1000;
  if (is(self, "null")) output->detections = NULL;
  if (is(self, "many")) output->value_count = (size_t)1 << 60;
  if (is(self, "text") || is(self, "large")) {
    const size_t size = is(self, "text") ? 70000 : 65000;
    self->long_text = realloc(self->long_text, size + 1);
    memset(self->long_text, 'a', size);
    self->long_text[size] = '\0';
    output->text = self->long_text;
    self->detections[0].label = self->long_text;
    self->detections[1].label = self->long_text;
  }
  return INFERD_STAGE_OK;
}

static int process(void* stage, const inferd_stage_frame* frame, inferd_stage_output* output,
                   char* error) {
  library_stage* self = stage;
  if (frame->sequence % self->every != 0) return INFERD_STAGE_OK;
  if (is(self, "leave_out")) return INFERD_STAGE_LEAVE_OUT;
  if (is(self, "fail")) {
    snprintf(error, INFERD_STAGE_ERROR_BYTES, "does not like frame %llu",
             (unsigned long long)frame->sequence);
    return 7;
  }
  if (is(self, "describe")) {
    describe(self, frame);
    output->text = self->text;
  } else if (is(self, "detect")) {
    detect(self, output);
  } else if (is(self, "refine")) {
    refine(self, frame, output);
  } else {
    return misbehave(self, output);
  }
  return INFERD_STAGE_OK;
}

static void destroy(void* stage) {
  free(((library_stage*)stage)->long_text);
  free(stage);
}

INFERD_STAGE_EXPORT const inferd_stage_functions inferd_stage = {INFERD_STAGE_ABI, create, process,
                                                                 destroy};
INFERD_STAGE_EXPORT const inferd_stage_functions older = {0, create, process, destroy};
INFERD_STAGE_EXPORT const inferd_stage_functions hollow = {INFERD_STAGE_ABI, create, NULL, destroy};
