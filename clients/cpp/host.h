// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inferd/client/client.h"
#include "inferd/v1/host.pb.h"

namespace inferd {

HostInfo from_proto(const inferd::v1::Host& host);
std::vector<ClientInfo> from_proto(const inferd::v1::ListClientsResponse& clients);

}  // namespace inferd
