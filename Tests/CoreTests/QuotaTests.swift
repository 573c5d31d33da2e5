import Foundation
import Shims
import Testing

/// A directory with files in place of /proc and of mounted control groups.
private func quota(_ files: [String: String]) throws -> Int32 {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: root) }
    try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    for (path, text) in files {
        let file = root.appendingPathComponent(path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: false, encoding: .utf8)
    }
    return crossentropy_cpu_quota(root.path)
}

private let mount2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
private let mount1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
private let others =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n31 23 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

private func version2(_ group: String, mount: String = mount2, _ limits: [String: String]) throws -> Int32 {
    var files = ["proc/self/cgroup": "0::\(group)\n", "proc/self/mountinfo": others + mount]
    for (path, text) in limits { files["sys/fs/cgroup\(path)/cpu.max"] = text + "\n" }
    return try quota(files)
}

private func version1(_ group: String, mount: String = mount1, _ limits: [String: (String, String)]) throws -> Int32 {
    let groups = "9:name=systemd:/other\n5:cpuset:/sets\n4:cpu,cpuacct:\(group)\n1:cpuacct2:/none\n"
    var files = ["proc/self/cgroup": groups, "proc/self/mountinfo": others + mount]
    for (path, (quota, period)) in limits {
        files["sys/fs/cgroup/cpu,cpuacct\(path)/cpu.cfs_quota_us"] = quota + "\n"
        files["sys/fs/cgroup/cpu,cpuacct\(path)/cpu.cfs_period_us"] = period + "\n"
    }
    return try quota(files)
}

@Test(
    arguments: [
        ("200000 100000", 2), ("100000 100000", 1), ("100001 100000", 2), ("10000 100000", 1), ("1 1000000", 1),
        ("1250000 50000", 25), ("max 100000", .max), ("0 100000", .max), ("-1 100000", .max), ("150000", .max),
        ("150000 0", .max), ("", .max), ("nonsense", .max), ("999999999999999 1", .max),
        ("99999999999999999999 99999999999999999999", .max),
    ] as [(String, Int32)])
func quotasAreRoundedUp(_ text: String, _ processors: Int32) throws {
    #expect(try version2("/", ["": text]) == processors)
    #expect(try version2("/a/b", ["/a/b": text]) == processors)
}

@Test(
    arguments: [
        ("200000", "100000", 2), ("150000", "100000", 2), ("5000", "100000", 1), ("-1", "100000", .max),
        ("0", "0", .max), ("50000", "", .max),
    ] as [(String, String, Int32)])
func quotasOfVersion1AreRoundedUp(_ quota: String, _ period: String, _ processors: Int32) throws {
    #expect(try version1("/", ["": (quota, period)]) == processors)
    #expect(try version1("/a/b", ["/a/b": (quota, period)]) == processors)
}

@Test func theLeastQuotaOfAGroupAndItsParentsCounts() throws {
    #expect(try version2("/a/b/c", ["/a/b/c": "max 100000", "/a/b": "300000 100000", "/a": "500000 100000"]) == 3)
    #expect(try version2("/a/b/c", ["/a/b/c": "400000 100000", "/a/b": "max 100000", "/a": "200000 100000"]) == 2)
    #expect(try version2("/a/b", ["/a/b": "max 100000", "": "100000 100000"]) == 1)
    // Not of its children and neighbours.
    #expect(try version2("/a", ["/a": "400000 100000", "/a/b": "100000 100000", "/ab": "100000 100000"]) == 4)
    let no = ("-1", "100000")
    #expect(try version1("/a/b", ["/a/b": no, "/a": ("300000", "100000"), "": no]) == 3)
    #expect(try version1("/a/b", ["/a/b": ("100000", "100000"), "/a": ("300000", "100000"), "": no]) == 1)
}

@Test func groupsOfContainersAreFound() throws {
    // The container's group alone is mounted, and its path is that of the host.
    let top = "30 23 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
    #expect(try version2("/docker/1f", mount: top, ["": "200000 100000"]) == 2)
    #expect(try version2("/docker/1f/x", mount: top, ["": "200000 100000", "/x": "100000 100000"]) == 1)
    // Another group than the one that is mounted, whose name begins with the same letters.
    #expect(try version2("/docker/1f2", mount: top, ["": "200000 100000", "/2": "100000 100000"]) == 2)
    let top1 = "32 31 0:29 /docker/1f /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpuacct,cpu\n"
    #expect(try version1("/docker/1f", mount: top1, ["": ("200000", "100000")]) == 2)
    // A group outside of the process's namespace, which is not that of the path above the mounted one.
    let outside = ["": "200000 100000", "/../x": "100000 100000", "/..": "100000 100000"]
    #expect(try version2("/../x", outside) == 2)
    #expect(try version2("/a", outside) == 2)
    // Letters that mountinfo escapes.
    let escaped = "30 23 0:26 /a\\134x2db /sys/fs/my\\040groups rw - cgroup2 cgroup rw\n"
    let files = [
        "proc/self/cgroup": "0::/a\\x2db/c\n", "proc/self/mountinfo": escaped,
        "sys/fs/my groups/c/cpu.max": "300000 100000\n",
    ]
    #expect(try quota(files) == 3)
}

@Test func bothVersionsMayBeMounted() throws {
    let files = [
        "proc/self/cgroup": "2:cpu,cpuacct:/one\n0::/two\n",
        "proc/self/mountinfo": mount1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/cpu,cpuacct/one/cpu.cfs_quota_us": "300000\n",
        "sys/fs/cgroup/cpu,cpuacct/one/cpu.cfs_period_us": "100000\n",
    ]
    #expect(try quota(files) == 3)
    #expect(
        try quota(files.merging(["sys/fs/cgroup/unified/two/cpu.max": "200000 100000\n"]) { $1 }) == 2)
}

@Test func whatIsMissingOrNonsenseIsNoQuota() throws {
    #expect(crossentropy_cpu_quota("/nowhere") == .max)
    #expect(try quota(["proc/self/cgroup": "0::/a\n"]) == .max)
    #expect(try quota(["proc/self/mountinfo": mount2, "sys/fs/cgroup/cpu.max": "100000 100000\n"]) == .max)
    #expect(try version2("/a", [:]) == .max)
    let limits = ["sys/fs/cgroup/cpu.max": "100000 100000\n"]
    for text in ["", "\n", "nonsense\n", "0:\n", "0::" + String(repeating: "/a", count: 512) + "\n", "1:cp:/\n"] {
        #expect(try quota(limits.merging(["proc/self/cgroup": text, "proc/self/mountinfo": mount2]) { $1 }) == .max)
    }
    #expect(try version1("/", mount: mount1.replacing("cpu,cpuacct\n", with: "cp\n"), ["": ("1", "1")]) == .max)
    for text in ["", "30 23\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2\n", " - cgroup2 cgroup2 rw\n"] {
        #expect(try quota(limits.merging(["proc/self/cgroup": "0::/\n", "proc/self/mountinfo": text]) { $1 }) == .max)
    }
}

@Test func longLinesArePassedOver() throws {
    // What looks like a mount is the rest of another one.
    let rest = String(repeating: "l", count: 4096) + mount2.replacing("/sys/fs/cgroup", with: "/sys/fs/cgroup/b")
    #expect(try version2("/a", mount: rest, ["/b/a": "100000 100000"]) == .max)
    let group = String(repeating: "/a", count: 511)
    #expect(try version2(group, [group: "200000 100000"]) == 2)
    var mounts = ""
    for length in [100, 4000, 4094, 4095, 4096, 4097, 8191, 8192, 20000] {
        let directory = String(repeating: "l", count: length)
        mounts += "40 22 0:50 / /var/lib/\(length) rw - overlay overlay rw,lowerdir=\(directory)\n"
        #expect(try version2("/a", mount: mounts + mount2, ["/a": "200000 100000"]) == 2)
    }
}
