"""Writes python-sparse.pb.gz beside itself; see README.md."""

import gzip
import pathlib
import subprocess
import sys
import tempfile

PROTO = """
syntax = "proto3";
package example;
message Profile {
  repeated ValueType sample_type = 1;
  repeated Sample sample = 2;
  repeated Mapping mapping = 3;
  repeated Location location = 4;
  repeated Function function = 5;
  repeated bytes string_table = 6;
  int64 drop_frames = 7;
  int64 keep_frames = 8;
  int64 time_nanos = 9;
  int64 duration_nanos = 10;
  ValueType period_type = 11;
  int64 period = 12;
  repeated int64 comment = 13 [packed = false];
  int64 default_sample_type = 14;
  int64 doc_url = 15;
  string unknown = 1000;
}
message ValueType { int64 type = 1; int64 unit = 2; }
message Sample {
  repeated uint64 location_id = 1 [packed = false];
  repeated int64 value = 2 [packed = false];
  repeated Label label = 3;
  fixed64 unknown = 1000;
}
message Label { int64 key = 1; int64 str = 2; int64 num = 3; int64 num_unit = 4; }
message Mapping {
  uint64 id = 1; uint64 memory_start = 2; uint64 memory_limit = 3; uint64 file_offset = 4;
  int64 filename = 5; int64 build_id = 6;
  bool has_functions = 7; bool has_filenames = 8; bool has_line_numbers = 9;
  bool has_inline_frames = 10;
}
message Location {
  uint64 id = 1; uint64 mapping_id = 2; uint64 address = 3; repeated Line line = 4;
  bool is_folded = 5;
}
message Line { uint64 function_id = 1; int64 line = 2; int64 column = 3; }
message Function {
  uint64 id = 1; int64 name = 2; int64 system_name = 3; int64 filename = 4; int64 start_line = 5;
}
"""


def compiled():
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "profile.proto").write_text(PROTO)
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--python_out=.", "profile.proto"]
    subprocess.run(command, cwd=folder, check=True)
    sys.path.insert(0, str(folder))
    import profile_pb2

    return profile_pb2


pb = compiled()
strings = [b""]


def s(text):
    text = text if isinstance(text, bytes) else text.encode()
    if text not in strings:
        strings.append(text)
    return strings.index(text)


samples = pb.Profile(
    sample=[
        pb.Sample(
            location_id=[900, 1 << 60, 5],
            value=[3, -4096],
            label=[
                pb.Label(key=s("thread"), str=s("worker-1")),
                pb.Label(key=s("bytes"), num=1024, num_unit=s("bytes")),
            ],
            unknown=7,
        ),
        pb.Sample(value=[0, 1 << 62], label=[pb.Label(key=s("both"), str=s("text"), num=9)]),
    ]
)
locations = pb.Profile(
    location=[
        pb.Location(id=1 << 60, address=0xFFFFFFFFFFFFFFFF, is_folded=True),
        pb.Location(
            id=5, mapping_id=77, address=0x401234,
            line=[pb.Line(function_id=40, line=12, column=3), pb.Line(function_id=3, line=99)],
        ),
        pb.Location(id=900, mapping_id=2, address=0x7F0000001000),
    ]
)
functions = pb.Profile(
    function=[
        pb.Function(id=40, name=s("demo::inner"), system_name=s("_ZN4demo5innerE"), filename=s(b"src/\xff.rs"), start_line=10),
        pb.Function(id=3, name=s("demo::outer"), system_name=s("_ZN4demo5outerE"), filename=s("src/lib.rs")),
    ]
)
mappings = pb.Profile(
    mapping=[
        pb.Mapping(id=77, memory_start=0x400000, memory_limit=0x500000, file_offset=0x1000,
                   filename=s("/usr/bin/demo"), build_id=s("abcdef0123"), has_functions=True, has_inline_frames=True),
        pb.Mapping(id=2, memory_start=0x7F0000000000, memory_limit=0x7F0000100000, filename=s("/usr/lib/libc.so.6")),
    ]
)
head = pb.Profile(
    sample_type=[pb.ValueType(type=s("objects"), unit=s("count")), pb.ValueType(type=s("space"), unit=s("bytes"))],
    period_type=pb.ValueType(type=s("space"), unit=s("bytes")),
    period=4096, time_nanos=1_700_000_000_000_000_001, duration_nanos=5,
    comment=[s("first remark"), s("second remark")],
    default_sample_type=s("objects"), drop_frames=s("malloc.*"), keep_frames=s("malloc_keep"),
    doc_url=s("https://example.com/doc"), unknown="from a later version of the format",
)
# Concatenated messages are one message: tables come in an order no writer uses, the string table in two parts.
half = pb.Profile(string_table=strings[:7])
rest = pb.Profile(string_table=strings[7:])
parts = [half, samples, locations, rest, functions, mappings, head]
message = b"".join(part.SerializeToString() for part in parts)
cut = len(message) // 3
members = [gzip.compress(piece, mtime=1) for piece in (message[:cut], message[cut:])]
(pathlib.Path(__file__).parent / "python-sparse.pb.gz").write_bytes(b"".join(members))
