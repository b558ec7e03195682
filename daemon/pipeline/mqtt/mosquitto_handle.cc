// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/mqtt/mosquitto_handle.h"

#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

namespace inferd::pipeline {
namespace {

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

// The first line.
Result<std::string> read_password(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return unavailable("cannot read the password in '" + path + "'");
  return line;
}

Status set_credentials(mosquitto* client, const MqttBroker& broker) {
  std::string password;
  if (!broker.password_file.empty()) {
    INFERD_ASSIGN_OR_RETURN(password, read_password(broker.password_file));
  }
  return mosquitto_status(mosquitto_username_pw_set(
      client, broker.username.c_str(), broker.password_file.empty() ? nullptr : password.c_str()));
}

Status set_tls(mosquitto* client, const MqttBroker& broker) {
  if (broker.ca.empty()) mosquitto_int_option(client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
  return mosquitto_status(mosquitto_tls_set(client, or_null(broker.ca), nullptr,
                                            or_null(broker.certificate), or_null(broker.key),
                                            nullptr))
      .with_context("TLS");
}

}  // namespace

Status mosquitto_status(int code) {
  if (code == MOSQ_ERR_SUCCESS) return ok_status();
  return unavailable(code == MOSQ_ERR_ERRNO ? std::strerror(errno) : mosquitto_strerror(code));
}

Result<MosquittoHandle> make_mosquitto(const MqttBroker& broker, void* self) {
  static const int initialized = mosquitto_lib_init();
  MosquittoHandle client;
  if (initialized == MOSQ_ERR_SUCCESS)
    client.reset(mosquitto_new(or_null(broker.client_id), true, self));
  if (client == nullptr) return unavailable("libmosquitto cannot be used");
  if (!broker.username.empty()) INFERD_RETURN_IF_ERROR(set_credentials(client.get(), broker));
  if (broker.tls) INFERD_RETURN_IF_ERROR(set_tls(client.get(), broker));
  return client;
}

Status begin_to_connect(mosquitto* client, const MqttBroker& broker) {
  return mosquitto_status(
      mosquitto_connect_async(client, broker.host.c_str(), broker.port, broker.keepalive_s));
}

void block_broken_pipes() {
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

}  // namespace inferd::pipeline
