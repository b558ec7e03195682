// SPDX-License-Identifier: Apache-2.0
//
// Certificates of clients. libmicrohttpd asks for them but neither insists nor verifies; here that
// is added to each session, so that whoever shows a wrong one does not get through the handshake.
#pragma once

#include <microhttpd.h>

#include <string>

namespace inferd::serve {

// Before the handshake of a new connection of a listener with `client_ca`.
void ask_for_certificate(MHD_Connection* connection, bool required);

// After it: the common name of the certificate that the client has shown. Empty: it has none, or
// the connection is not encrypted.
std::string subject_of(MHD_Connection* connection);

}  // namespace inferd::serve
