// Runs an exported detector by OpenVINO: prints class, score and box of each object.
//
//     detect m.onnx scene.ppm classes.bin
//
// scene.ppm: an image of eight bits (P6), already resized as the metadata ask. classes.bin: embeddings of
// the class names, float32. docs/export.md, "In C++", makes both and compiles this.

#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <openvino/openvino.hpp>

using Bytes = std::vector<char>;

Bytes read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

// Returns the pixels of a PPM file, (H, W, 3) in RGB order.
ov::Tensor read_image(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string kind;
    size_t width = 0, height = 0, largest = 0;
    file >> kind >> width >> height >> largest;
    file.get();
    if (!file || kind != "P6" || largest != 255) throw std::runtime_error(path + " is no PPM image");
    ov::Tensor image(ov::element::u8, {height, width, 3});
    file.read(reinterpret_cast<char*>(image.data<uint8_t>()), image.get_byte_size());
    if (!file) throw std::runtime_error(path + " ends too early");
    return image;
}

// Returns what the file says about itself, in JSON: OpenVINO keeps it elsewhere for ONNX files.
std::string metadata_of(const ov::Model& model) {
    if (model.has_rt_info("detic")) return model.get_rt_info<std::string>("detic");
    if (model.has_rt_info("framework", "detic")) return model.get_rt_info<std::string>("framework", "detic");
    throw std::runtime_error("the model does not say how its input is made; it is no file of `detic export`");
}

void detect(const std::string& model_path, const std::string& image_path, const std::string& classes_path) {
    ov::Core core;
    auto model = core.read_model(model_path);
    const std::string metadata = metadata_of(*model);
    auto compiled = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = compiled.create_infer_request();

    ov::Tensor image = read_image(image_path);
    if (metadata.find("\"channel_order\": \"BGR\"") != std::string::npos) {
        auto* pixel = image.data<uint8_t>();
        for (size_t i = 0; i < image.get_size(); i += 3) std::swap(pixel[i], pixel[i + 2]);
    }
    Bytes embeddings = read_file(classes_path);
    const size_t width = compiled.input("class_embeddings").get_partial_shape()[1].get_length();
    const size_t num_classes = embeddings.size() / sizeof(float) / width;
    if (num_classes == 0 || embeddings.size() != num_classes * width * sizeof(float)) {
        throw std::runtime_error(classes_path + " does not hold rows of " + std::to_string(width) + " numbers of 32 bits");
    }
    std::vector<float> thresholds(num_classes, 0.5f);

    request.set_tensor("image", image);
    request.set_tensor("class_embeddings", ov::Tensor(ov::element::f32, {num_classes, width}, embeddings.data()));
    request.set_tensor("thresholds", ov::Tensor(ov::element::f32, {num_classes}, thresholds.data()));
    request.infer();

    const auto scores = request.get_tensor("scores");
    const float* box = request.get_tensor("boxes").data<float>();
    const int64_t* label = request.get_tensor("classes").data<int64_t>();
    for (size_t i = 0; i < scores.get_size(); ++i, box += 4) {
        std::printf("%lld %.4f %.2f %.2f %.2f %.2f\n", static_cast<long long>(label[i]),
                    scores.data<float>()[i], box[0], box[1], box[2], box[3]);
    }
}

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: detect MODEL IMAGE.ppm CLASSES.bin\n", stderr);
        return 2;
    }
    try {
        detect(argv[1], argv[2], argv[3]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 2;
    }
}
