// SPDX-License-Identifier: Apache-2.0
//
// libmosquitto's client, by its interface for other programs' loops: one thread does everything,
// and waits for the client's socket together with what else it waits for.
#pragma once

#include <mosquitto.h>

#include <memory>

#include "daemon/pipeline/mqtt/broker.h"

namespace inferd::pipeline {

struct MosquittoFree {
  void operator()(mosquitto* client) const { mosquitto_destroy(client); }
};
using MosquittoHandle = std::unique_ptr<mosquitto, MosquittoFree>;

// A client with its credentials and TLS, not connected, whose callbacks get `self`. UNAVAILABLE: a
// file is gone or makes no sense.
Result<MosquittoHandle> make_mosquitto(const MqttBroker& broker, void* self);

// Begins to connect; without waiting but for a name server.
Status begin_to_connect(mosquitto* client, const MqttBroker& broker);

// UNAVAILABLE with what libmosquitto says of its error code.
Status mosquitto_status(int code);

// For the thread that runs a client: TLS writes to lost connections without MSG_NOSIGNAL.
void block_broken_pipes();

}  // namespace inferd::pipeline
