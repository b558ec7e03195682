// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/tls_session.h"

#include <gnutls/x509.h>

#include <array>
#include <atomic>
#include <cstring>

#include "daemon/schedule/request.h"
#include "daemon/serve/http/failed_handshakes.h"
#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

gnutls_session_t session_of(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info == nullptr ? nullptr : static_cast<gnutls_session_t>(info->tls_session);
}

gnutls_datum_t pem_datum(const std::string& text) {
  // The library does not write to it.
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}

Handshake& handshake_of(gnutls_session_t session) {
  return *static_cast<Handshake*>(gnutls_session_get_ptr(session));
}

// Of a chain that was shown: 0, or the handshake ends. The authorities are the listener's, and the
// certificate must be one for clients: a server's key is no client's.
int verify(gnutls_session_t session) {
  unsigned count = 0;
  // Where one is required, the library has ended the handshake already.
  if (gnutls_certificate_get_peers(session, &count) == nullptr) return 0;
  std::array<char, sizeof GNUTLS_KP_TLS_WWW_CLIENT> purpose{};
  std::memcpy(purpose.data(), GNUTLS_KP_TLS_WWW_CLIENT, purpose.size());
  gnutls_typed_vdata_st wanted{};
  wanted.type = GNUTLS_DT_KEY_PURPOSE_OID;
  wanted.data = reinterpret_cast<unsigned char*>(purpose.data());
  unsigned wrong = 0;
  const int code = gnutls_certificate_verify_peers(session, &wanted, 1, &wrong);
  if (code == 0 && wrong == 0) return 0;
  std::string& refused = handshake_of(session).refused;
  refused = gnutls_strerror(code);
  gnutls_datum_t text{};
  if (code == 0 &&
      gnutls_certificate_verification_status_print(wrong, GNUTLS_CRT_X509, &text, 0) == 0) {
    refused.assign(reinterpret_cast<const char*>(text.data), text.size);
    gnutls_free(text.data);
    while (refused.ends_with(' ')) refused.pop_back();
  }
  return -1;
}

// Before and after the library has looked into it.
int note_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                 const gnutls_datum_t*) {
  Handshake& handshake = handshake_of(session);
  const auto message = static_cast<gnutls_handshake_description_t>(type);
  if (message == GNUTLS_HANDSHAKE_FINISHED && when == GNUTLS_HOOK_POST)
    (incoming != 0 ? handshake.received : handshake.sent) = true;
  if (incoming != 0) handshake.last = gnutls_handshake_description_get_name(message);
  return 0;
}

std::atomic<int64_t> next_report_ns{0};

}  // namespace

Result<std::unique_ptr<TlsCredentials>> TlsCredentials::create(const TlsFiles& files) {
  gnutls_certificate_credentials_t made = nullptr;
  if (gnutls_certificate_allocate_credentials(&made) != 0)
    return resource_exhausted("no memory for a certificate");
  std::unique_ptr<TlsCredentials> credentials(new TlsCredentials(made));
  const gnutls_datum_t certificate = pem_datum(files.certificate);
  const gnutls_datum_t key = pem_datum(files.key);
  const gnutls_datum_t client_ca = pem_datum(files.client_ca);
  int code = gnutls_certificate_set_x509_key_mem(made, &certificate, &key, GNUTLS_X509_FMT_PEM);
  if (code >= 0 && !files.client_ca.empty())
    code = gnutls_certificate_set_x509_trust_mem(made, &client_ca, GNUTLS_X509_FMT_PEM);
  if (code < 0) return invalid_argument(std::string("a certificate: ") + gnutls_strerror(code));
  return credentials;
}

TlsCredentials::~TlsCredentials() { gnutls_certificate_free_credentials(credentials_); }

void TlsCredentials::give_to(MHD_Connection* connection) const {
  gnutls_credentials_set(session_of(connection), GNUTLS_CRD_CERTIFICATE, credentials_);
}

void watch_handshake(MHD_Connection* connection, Handshake& handshake) {
  gnutls_session_t session = session_of(connection);
  gnutls_session_set_ptr(session,
                         &handshake);  // the library needs it for keys without certificates
  gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH,
                                     &note_message);
}

void report_handshake(const Handshake& handshake, const std::string& address) {
  if (handshake.is_done() || handshake.last.empty()) return;
  constexpr int64_t kEveryNs = 1'000'000'000;
  const uint64_t count = ++failed_handshakes();
  const int64_t now = schedule::now_ns();
  int64_t due = next_report_ns;
  if (now < due || !next_report_ns.compare_exchange_strong(due, now + kEveryNs)) return;
  const std::string why = handshake.refused.empty()
                              ? "nothing came after the client's '" + handshake.last + "'"
                              : "the client's certificate is refused: " + handshake.refused;
  telemetry::log(LogLevel::kInfo, "a TLS handshake on " + address + " failed (" +
                                      std::to_string(count) + " so far): " + why);
}

void ask_for_certificate(MHD_Connection* connection, bool required) {
  gnutls_session_t session = session_of(connection);
  gnutls_certificate_server_set_request(session,
                                        required ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
  gnutls_session_set_verify_function(session, &verify);
}

std::string subject_of(MHD_Connection* connection) {
  gnutls_session_t session = session_of(connection);
  if (session == nullptr) return {};
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  if (chain == nullptr || count == 0) return {};
  gnutls_x509_crt_t certificate = nullptr;
  if (gnutls_x509_crt_init(&certificate) != 0) return {};
  std::array<char, 256> name{};
  size_t size = name.size();
  const bool named = gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) == 0 &&
                     gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
                                                   name.data(), &size) == 0;
  gnutls_x509_crt_deinit(certificate);
  return named ? std::string(name.data(), size) : std::string();
}

}  // namespace inferd::serve
