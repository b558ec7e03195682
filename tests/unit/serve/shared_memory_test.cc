// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/shared_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/serve/server_fixture.h"
#include "tests/unit/serve/shared_object.h"

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;

using Object = SharedObject;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(const SharedBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

TEST(SharedMemory, IsOffUnlessTurnedOn) {
  const Object object("0123456789");
  SharedMemory memory({});
  const Status status = memory.add({"r", object.key(), 0, 10});
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("system_shared_memory: true"));
  memory.remove_all();
  EXPECT_TRUE(memory.list("")->empty());
}

TEST(SharedMemory, TensorsAreReadAndWrittenInTheirRegion) {
  const Object object("0123456789");
  SharedMemory memory({.enabled = true});
  ASSERT_TRUE(memory.add({"r", object.key(), 2, 8}).ok());
  const auto part = memory.find({"r", 1, 4});
  ASSERT_TRUE(part.ok()) << part.status().to_string();
  EXPECT_EQ(text_of(*part->read()), "3456");
  EXPECT_TRUE(part->write(bytes_of("ab")).ok());
  EXPECT_EQ(object.content(), "012ab56789");
  EXPECT_EQ(part->write(bytes_of("abcde")).message(),
            "shared memory size specified with the request (4 bytes) should be at least 5 bytes to "
            "hold the results");
}

TEST(SharedMemory, RangesAreCheckedWithoutOverflow) {
  const Object object("0123456789");
  SharedMemory memory({.enabled = true});
  struct Range {
    uint64_t offset, size;
  };
  for (const auto& [offset, size] :
       {Range{0, 0}, Range{0, 11}, Range{10, 1}, Range{11, 1}, Range{UINT64_MAX, 1},
        Range{1, UINT64_MAX}, Range{UINT64_MAX, UINT64_MAX}, Range{uint64_t{1} << 63, 10}}) {
    EXPECT_EQ(memory.add({"r", object.key(), offset, size}).code(), StatusCode::kInvalidArgument)
        << offset << " " << size;
  }
  ASSERT_TRUE(memory.add({"r", object.key(), 2, 8}).ok());
  for (const auto& [offset, size] :
       {Range{0, 0}, Range{0, 9}, Range{8, 1}, Range{UINT64_MAX, 2}, Range{7, UINT64_MAX}}) {
    EXPECT_EQ(memory.find({"r", offset, size}).status().code(), StatusCode::kInvalidArgument)
        << offset << " " << size;
  }
  EXPECT_TRUE(memory.find({"r", 7, 1}).ok());
}

TEST(SharedMemory, KeysAreNamesAndNoPaths) {
  SharedMemory memory({.enabled = true});
  for (const std::string& key :
       {std::string(), std::string("/"), std::string(".."), std::string("/.."),
        std::string("/../etc/passwd"), std::string("a/b"), std::string("//a"),
        std::string("/a\0b", 4), std::string(300, 'x')}) {
    const Status status = memory.add({"r", key, 0, 1});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << key;
    EXPECT_THAT(status.message(), HasSubstr("is no key of shared memory")) << key;
  }
  EXPECT_EQ(memory.add({"r", "/inferd-test-absent", 0, 1}).code(), StatusCode::kNotFound);
  EXPECT_EQ(memory.add({"", "/x", 0, 1}).code(), StatusCode::kInvalidArgument);
}

TEST(SharedMemory, NamesAreTakenOnceAndGivenBack) {
  const Object object("0123456789");
  SharedMemory memory({.enabled = true});
  const SharedMemory::Region region{"r", object.key(), 0, 10};
  ASSERT_TRUE(memory.add(region).ok());
  const Status again = memory.add(region);
  EXPECT_EQ(again.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(again.message(), "shared memory region 'r' already in manager");
  EXPECT_EQ(memory.list("r")->at(0).key, object.key());
  EXPECT_EQ(memory.list("s").status().code(), StatusCode::kNotFound);
  memory.remove("r");
  memory.remove("r");
  EXPECT_EQ(memory.find({"r", 0, 1}).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(memory.add(region).ok());
}

TEST(SharedMemory, RegionsAreBounded) {
  const Object object("0123456789");
  SharedMemory memory({.enabled = true, .max_bytes = 15});
  ASSERT_TRUE(memory.add({"a", object.key(), 0, 10}).ok());
  const Status status = memory.add({"b", object.key(), 0, 6});
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "shared memory region 'b' has 6 bytes; of 15 allowed, others have 10");
  EXPECT_TRUE(memory.add({"b", object.key(), 0, 5}).ok());
  SharedMemory many({.enabled = true});
  int added = 0;
  while (added < 1000 && many.add({std::to_string(added), object.key(), 0, 1}).ok()) ++added;
  EXPECT_EQ(added, 256);
}

TEST(SharedMemory, InputsOnTheirWayAreBounded) {
  const Object object("0123456789");
  SharedMemory memory({.enabled = true, .max_bytes = 15});
  ASSERT_TRUE(memory.add({"r", object.key(), 0, 10}).ok());
  const auto part = memory.find({"r", 0, 10});
  auto first = part->read();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(part->read().status().code(), StatusCode::kResourceExhausted);
  *first = nullptr;
  EXPECT_TRUE(part->read().ok());
}

TEST(SharedMemory, APartStaysOpenWhenItsRegionGoes) {
  const Object object("0123456789");
  SharedMemory memory({.enabled = true});
  ASSERT_TRUE(memory.add({"r", object.key(), 0, 10}).ok());
  const auto part = memory.find({"r", 0, 10});
  memory.remove("r");
  EXPECT_EQ(text_of(*part->read()), "0123456789");
  EXPECT_TRUE(part->write(bytes_of("x")).ok());
  EXPECT_EQ(object.content()[0], 'x');
}

TEST(SharedMemory, ATruncatedRegionIsAnErrorAndStaysShort) {
  const Object object("0123456789");
  SharedMemory memory({.enabled = true});
  ASSERT_TRUE(memory.add({"r", object.key(), 0, 10}).ok());
  const auto part = memory.find({"r", 0, 10});
  object.truncate(5);
  EXPECT_EQ(part->read().status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(part->write(bytes_of("abcdefg")).code(), StatusCode::kDataLoss);
  EXPECT_EQ(object.content(), "01234");
  EXPECT_TRUE(part->write(bytes_of("ab")).ok()) << "that much is there";
}

// Through the server: y = x.
class SharedMemoryCalls : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    ASSERT_TRUE(memory_.add({"r", object_.key(), 0, 8}).ok());
    request_.set_model_name("free");
    auto* input = request_.add_inputs();
    input->set_name("x");
    input->set_datatype("UINT8");
    input->add_shape(2);
    place(*input->mutable_parameters(), 1, 2);
    auto* output = request_.add_outputs();
    output->set_name("y");
    place(*output->mutable_parameters(), 4, 3);
  }

  template <typename Map>
  static void place(Map& parameters, int64_t offset, int64_t size) {
    parameters["shared_memory_region"].set_string_param("r");
    parameters["shared_memory_offset"].set_int64_param(offset);
    parameters["shared_memory_byte_size"].set_int64_param(size);
  }

  grpc::Status call() {
    grpc::ClientContext context;
    return inference_->ModelInfer(&context, request_, &response_);
  }

  const Object object_{"01234567"};
  inference::ModelInferRequest request_;
  inference::ModelInferResponse response_;
};

TEST_F(SharedMemoryCalls, TensorsTravelInTheRegion) {
  const grpc::Status status = call();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(object_.content(), "01231267");
  const auto& output = response_.outputs(0);
  EXPECT_EQ(output.parameters().at("shared_memory_region").string_param(), "r");
  EXPECT_EQ(output.parameters().at("shared_memory_offset").int64_param(), 4);
  EXPECT_EQ(output.parameters().at("shared_memory_byte_size").int64_param(), 2);
  EXPECT_EQ(output.shape(0), 2);
  EXPECT_EQ(response_.raw_output_contents(0), "") << "there is one for each output";
}

TEST_F(SharedMemoryCalls, MistakesAreNamed) {
  const auto expect_refused = [&](grpc::StatusCode code, const std::string& message) {
    const grpc::Status status = call();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(message));
  };
  const inference::ModelInferRequest good = request_;
  auto& input = *request_.mutable_inputs(0)->mutable_parameters();
  auto& output = *request_.mutable_outputs(0)->mutable_parameters();
  input["shared_memory_region"].set_string_param("s");
  expect_refused(grpc::StatusCode::NOT_FOUND, "input 'x': there is no shared memory region 's'");
  input["shared_memory_region"].set_bool_param(true);
  expect_refused(grpc::StatusCode::INVALID_ARGUMENT, "input 'x': parameter 'shared_memory_region'");
  place(input, 0, 3);
  expect_refused(grpc::StatusCode::INVALID_ARGUMENT, "input 'x' has 3 bytes in shared memory");
  place(input, 7, 2);
  expect_refused(grpc::StatusCode::INVALID_ARGUMENT, "input 'x': 2 bytes from 7 on are not within");
  place(input, 0, 2);
  request_.mutable_inputs(0)->mutable_contents()->add_uint_contents(1);
  expect_refused(grpc::StatusCode::INVALID_ARGUMENT, "although it lies in shared memory");
  request_.mutable_inputs(0)->clear_contents();
  request_.add_raw_input_contents("ab");
  expect_refused(grpc::StatusCode::INVALID_ARGUMENT, "1 raw_input_contents for 0 inputs");
  request_.clear_raw_input_contents();
  place(output, 8, 1);
  expect_refused(grpc::StatusCode::INVALID_ARGUMENT,
                 "output 'y': 1 bytes from 8 on are not within");
  place(output, 0, 1);
  expect_refused(grpc::StatusCode::INVALID_ARGUMENT, "should be at least 2 bytes");
  object_.truncate(1);
  request_ = good;
  expect_refused(grpc::StatusCode::DATA_LOSS, "input 'x': shared memory region 'r' is shorter");
}

TEST_F(SharedMemoryCalls, UnregisteringWaitsForNobodyAndHarmsNobody) {
  request_.set_model_name("patient");
  grpc::Status status;
  std::thread caller([&] { status = call(); });
  gate_.wait_for_arrivals(1);
  grpc::ClientContext context;
  inference::SystemSharedMemoryUnregisterResponse unregistered;
  EXPECT_TRUE(inference_->SystemSharedMemoryUnregister(&context, {}, &unregistered).ok());
  EXPECT_TRUE(memory_.list("")->empty());
  gate_.open();
  caller.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(object_.content(), "01231267");
}

}  // namespace
}  // namespace inferd::serve
