/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a model once on memory that this program shares with the daemon; inputs are zeros.
 *
 *   run SOCKET MODEL       e.g. run /run/inferd/local.sock classifier
 */
#include <stdio.h>
#include <stdlib.h>

#include "inferd_local.h"

enum { ALIGNMENT = 64, TIMEOUT_MS = 5000 };

/* Lets each tensor of a model have its place in a buffer behind the one before. */
static size_t lay_out(const inferd_tensor* tensors, size_t count, inferd_place* places,
                      size_t used) {
  for (size_t i = 0; i < count; ++i) {
    places[i].offset = used;
    places[i].bytes = inferd_tensor_bytes(&tensors[i], 1);
    used += ((size_t)places[i].bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
  return used;
}

static int run(inferd_local* daemon, const char* name, inferd_error* error) {
  const inferd_model* model;
  int code = inferd_local_bind(daemon, name, 0, &model, error);
  if (code != INFERD_OK) return code;

  const size_t tensors = model->input_count + model->output_count;
  inferd_place* places = calloc(tensors + 1, sizeof *places);
  if (places == NULL) return INFERD_RESOURCE_EXHAUSTED;
  inferd_place* outputs = places + model->input_count;
  size_t bytes = lay_out(model->inputs, model->input_count, places, 0);
  bytes = lay_out(model->outputs, model->output_count, outputs, bytes);
  inferd_buffer memory;
  if (bytes == 0) bytes = 1; /* tensors without elements */
  code = inferd_local_map(daemon, bytes, &memory, error);
  if (code == INFERD_OK) {
    for (size_t i = 0; i < tensors; ++i) places[i].buffer = memory.number;
    for (size_t i = 0; i < model->input_count; ++i)
      printf("%s: %zu bytes\n", model->inputs[i].name, (size_t)places[i].bytes);
    /* Here a program writes its inputs: (char*)memory.data + places[i].offset. */
    const inferd_request request = {.model = model, .inputs = places, .outputs = outputs};
    inferd_answer answer;
    code = inferd_local_infer(daemon, &request, TIMEOUT_MS, &answer, error);
    for (size_t i = 0; code == INFERD_OK && i < answer.output_count; ++i)
      printf("%s: %zu bytes\n", model->outputs[i].name, (size_t)answer.outputs[i].bytes);
  }
  free(places);
  return code;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: run SOCKET MODEL\n");
    return 2;
  }
  inferd_local* daemon;
  inferd_error error = {0, "out of memory"};
  int code = inferd_local_connect(argv[1], &daemon, &error);
  if (code == INFERD_OK) code = run(daemon, argv[2], &error);
  if (code != INFERD_OK) fprintf(stderr, "%s\n", error.message);
  inferd_local_close(daemon); /* NULL where it did not connect */
  return code == INFERD_OK ? 0 : 1;
}
