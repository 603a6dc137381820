// Small reports in the shapes of Cuckoo 1.2, Cuckoo 2.0.7 and CAPE 2.4, with what they hold and much that nobody wants.

/** As Cuckoo 1.2 writes it: drewboardman/cuckoo:storage/analyses/1/reports/report.json. */
export const CUCKOO_12 = `{
    "info": {
        "category": "file", 
        "started": "2015-11-03 10:16:40", 
        "custom": "", 
        "machine": {
            "shutdown_on": "2015-11-03 10:19:02", 
            "label": "cuckoo1", 
            "id": 4711, 
            "name": "winxp-j\\u00fcrgen"
        }, 
        "ended": "2015-11-03 10:19:02", 
        "version": "1.2", 
        "id": 4711
    }, 
    "signatures": [
        {
            "families": [], 
            "description": "Says \\"\\\\{[\\" and \\u4e2d\\ud83d\\ude00", 
            "severity": 2, 
            "data": [{"file": "C:\\\\x.exe", "deep": [[{"name": "not this"}]]}], 
            "name": "creates_exe"
        }, 
        {"severity": 3, "description": "second", "name": "two"}
    ], 
    "network": {
        "udp": [{"src": "10.0.0.1", "domain": "not.this"}], 
        "http": [
            {
                "count": 2, 
                "body": "", 
                "uri": "http://evil.example/gate.php?\\u00e9", 
                "user-agent": "Mozilla/4.0", 
                "method": "GET", 
                "host": "evil.example", 
                "version": "1.1", 
                "path": "/gate.php?\\u00e9", 
                "data": "GET /gate.php HTTP/1.1\\r\\n\\r\\n", 
                "port": 80
            }, 
            {"count": 1, "uri": "http://b/", "port": 8080, "body": "a=b", "method": "POST", "host": "b", "version": "1.0", "path": "/", "data": ""}
        ], 
        "hosts": ["198.51.100.5", "198.51.100.6"], 
        "domains": [{"ip": "198.51.100.5", "domain": "evil.example"}, {"ip": "", "domain": "gone.example"}]
    }, 
    "dropped": [{"yara": [], "name": "a.tmp", "sha256": "89ab", "md5": "cdef", "path": "/opt/cuckoo/a.tmp"}], 
    "debug": {"log": "text", "errors": ["The analysis hit the critical timeout\\n"]}, 
    "static": {"pe": [1, -2.5e3, true, null, "}]\\\\", {"info": {"id": 1}}], "": {}}, 
    "behavior": {
        "processtree": [{"pid": 1, "process_name": "not.exe"}], 
        "processes": [
            {
                "parent_id": 600, 
                "process_name": "sample.exe", 
                "process_id": 1000, 
                "first_seen": "2015-11-03 10:17:08,123", 
                "calls": [
                    {
                        "category": "filesystem", 
                        "status": true, 
                        "return": "0x00000000", 
                        "timestamp": "2015-11-03 10:17:08,124", 
                        "thread_id": "1004", 
                        "repeated": 3, 
                        "api": "NtCreateFile", 
                        "arguments": [
                            {"name": "FileName", "value": "C:\\\\\\"{[\\u00e9"}, 
                            {"name": "Access", "value": "0x1"}
                        ], 
                        "id": 0
                    }, 
                    {
                        "category": "system", 
                        "status": false, 
                        "return": "", 
                        "timestamp": "2015-11-03 10:17:08,125", 
                        "thread_id": "1004", 
                        "repeated": 0, 
                        "api": "NtDelayExecution", 
                        "arguments": [], 
                        "id": 1
                    }
                ]
            }, 
            {"parent_id": 1000, "process_name": "cmd.exe", "process_id": 1004, "first_seen": "x", "calls": []}
        ], 
        "summary": {
            "files": ["C:\\\\a", "C:\\\\b"], 
            "keys": ["HKEY_LOCAL_MACHINE\\\\k"], 
            "mutexes": ["Local\\\\m", "n"]
        }
    }, 
    "strings": ["behavior", "\\\\"], 
    "target": {"category": "file", "file": {"md5": "0123", "sha256": "4567", "yara": []}}
}`

/** What CUCKOO_12 holds. */
export const CUCKOO_12_ROWS = {
  info: {
    ...{ id: '4711', started: '2015-11-03 10:16:40', ended: '2015-11-03 10:19:02', machine: 'winxp-jürgen' },
    ...{ package: '', parent: undefined },
  },
  target: { md5: '0123', sha256: '4567' },
  signatures: [
    { name: 'creates_exe', description: 'Says "\\{[" and 中😀', severity: '2' },
    { name: 'two', description: 'second', severity: '3' },
  ],
  processes: [
    { name: 'sample.exe', pid: '1000', parentPid: '600', firstSeen: '2015-11-03 10:17:08,123' },
    { name: 'cmd.exe', pid: '1004', parentPid: '1000', firstSeen: 'x' },
  ],
  calls: [
    {
      category: 'filesystem',
      status: true,
      return: '0x00000000',
      timestamp: '2015-11-03 10:17:08,124',
      thread_id: '1004',
      repeated: 3,
      api: 'NtCreateFile',
      id: 0,
      arguments: [
        { name: 'FileName', value: 'C:\\"{[é' },
        { name: 'Access', value: '0x1' },
      ],
      process: 'sample.exe (1000)',
    },
    {
      category: 'system',
      status: false,
      return: '',
      timestamp: '2015-11-03 10:17:08,125',
      thread_id: '1004',
      repeated: 0,
      api: 'NtDelayExecution',
      id: 1,
      arguments: [],
      process: 'sample.exe (1000)',
    },
  ],
  files: ['C:\\a', 'C:\\b'],
  keys: ['HKEY_LOCAL_MACHINE\\k'],
  mutexes: ['Local\\m', 'n'],
  errors: ['The analysis hit the critical timeout'],
  hosts: ['198.51.100.5', '198.51.100.6'],
  domains: [
    { domain: 'evil.example', ip: '198.51.100.5' },
    { domain: 'gone.example', ip: '' },
  ],
  requests: [
    {
      ...{ count: 2, port: 80, body: '', uri: 'http://evil.example/gate.php?é', method: 'GET', host: 'evil.example' },
      ...{ version: '1.1', path: '/gate.php?é', data: 'GET /gate.php HTTP/1.1\r\n\r\n', 'user-agent': 'Mozilla/4.0' },
    },
    {
      ...{ count: 1, port: 8080, body: 'a=b', uri: 'http://b/', method: 'POST', host: 'b' },
      ...{ version: '1.0', path: '/', data: '', 'user-agent': '' },
    },
  ],
  stored: [{ kind: 'dropped', name: 'a.tmp', md5: 'cdef', sha256: '89ab', type: '', process: '', pid: '' }],
}

/** As Cuckoo 2.0.7 writes it, the name of a process behind its calls: TGLuis/TFE-Cuckoo:cuckoo/storage/analyses/1/reports/report.json. */
export const CUCKOO_20 = `{
  "info": {"added": 1584895300.5, "started": 1584895321.138, "ended": 1584895400, "id": 1, "machine": {}, "score": 7.2, "package": "exe"},
  "signatures": [{"markcount": 1, "severity": 1, "marks": [{"call": {"api": "no"}, "type": "call"}], "name": "n", "description": "d",
    "ttp": {"T1057": {"short": "Process Discovery", "long": "x"}, "T1012": {"short": "no", "long": "y"}}}],
  "target": {"file": {"md5": "m", "sha256": null}},
  "behavior": {
    "generic": [{"pid": 1}],
    "apistats": {"2104": {"NtClose": 3}},
    "processes": [{
      "process_path": "C:\\\\s.exe",
      "calls": [
        {"category": "file", "status": 1, "stacktrace": [], "api": "NtReadFile", "return_value": 0,
         "arguments": {"offset": 0, "buffer": "x", "list": [1, {"a": null}], "handle": "0x1", "none": null, "big": 18446744073709551615},
         "time": 1584895322.25, "tid": 2108, "flags": {"a": "B"}},
        {"category": "synchronisation", "status": 0, "last_error": 2, "nt_status": -1073741772, "api": "NtWait",
         "return_value": -9223372036854775808, "arguments": {}, "time": 1584895322.251, "tid": 2108, "flags": {}}
      ],
      "track": true, "pid": 2104, "process_name": "s.exe", "command_line": "s", "first_seen": 1584895322.1, "ppid": 2050, "type": "process"
    }],
    "summary": {
      "file_created": ["C:\\\\a"], "file_read": ["C:\\\\a", "C:\\\\b"], "file_moved": [["C:\\\\b", "C:\\\\c"]],
      "directory_created": ["C:\\\\d"], "dll_loaded": ["k.dll"], "regkey_opened": ["K1"], "regkey_read": ["K1", "K2"],
      "mutex": ["M"], "tls_master": [["a", "b", "c"]]
    }
  },
  "metadata": {}
}`

/** What CUCKOO_20 holds. */
export const CUCKOO_20_ROWS = {
  info: {
    ...{ id: '1', started: '2020-03-22 16:42:01', ended: '2020-03-22 16:43:20', machine: 'FAILED' },
    ...{ package: 'exe', parent: undefined },
  },
  target: { md5: 'm', sha256: '' },
  signatures: [{ name: 'n', description: 'd', severity: '1' }],
  processes: [{ name: 's.exe', pid: '2104', parentPid: '2050', firstSeen: '2020-03-22 16:42:02,100' }],
  calls: [
    {
      category: 'filesystem',
      status: true,
      return: '0x00000000',
      timestamp: '2020-03-22 16:42:02,250',
      thread_id: '2108',
      repeated: 0,
      api: 'NtReadFile',
      id: 0,
      arguments: [
        { name: 'offset', value: '0' },
        { name: 'buffer', value: 'x' },
        { name: 'list', value: '[1,{"a":null}]' },
        { name: 'handle', value: '0x1' },
        { name: 'none', value: '' },
        { name: 'big', value: '18446744073709551615' },
      ],
      process: 's.exe (2104)',
    },
    {
      category: 'synchronization',
      status: false,
      return: '0x8000000000000000',
      timestamp: '2020-03-22 16:42:02,251',
      thread_id: '2108',
      repeated: 0,
      api: 'NtWait',
      id: 1,
      arguments: [],
      process: 's.exe (2104)',
    },
  ],
  files: ['C:\\a', 'C:\\b', 'C:\\c', 'C:\\d'],
  keys: ['K1', 'K2'],
  mutexes: ['M'],
  verdict: { score: '7.2', status: '' },
  techniques: [
    { technique: 'T1057', signature: 'n' },
    { technique: 'T1012', signature: 'n' },
  ],
}

/** As CAPE 2.4 writes it, UTF-8 and all: kevoreilly/CAPEv2:modules/processing/behavior.py, kevoreilly/CAPEv2:modules/reporting/jsondump.py. */
export const CAPE = `{
  "statistics": {"processing": [{"name": "BehaviorAnalysis", "time": 0.5}]},
  "target": {"category": "file", "file": {"name": "ä.exe", "md5": "m", "sha256": "s", "strings": ["behavior", "}]"]}},
  "procdump": [{"name": "d1", "sha256": "d1", "md5": "d0", "cape_type": "", "pid": 4711, "process_name": "ä.exe"}],
  "dropped": [{"name": ["b.tmp", "c.tmp"], "guest_paths": ["C:\\\\b.tmp"], "size": 0, "md5": "e0", "sha256": "e1", "pid": "4711,4712", "data": "\\u0000"}],
  "CAPE": {
    "payloads": [{"name": "f1", "guest_paths": "8;?C:\\\\ä.exe;?", "sha256": "f1", "md5": "f0", "cape_type_code": 8, "cape_yara": [],
      "cape_type": "Unpacked PE Image: 32-bit executable", "process_name": "ä.exe", "pid": 4711, "pe": {"name": "not this"}}],
    "configs": [{
      "ExampleRAT": {"C2": ["198.51.100.5:443", "b:1", "b:1"], "campaign": 7, "a.b": {"ports": [{"tcp": 80}, {"tcp": 81}]}, "none": null, "é": true, "empty": []},
      "_associated_config_hashes": [{"sha256": "f1"}], "_associated_analysis_hashes": {"md5": "m"}
    }, {"ExampleRAT": {"C2": ["b:1"]}, "Other": ["plain"]}]
  },
  "info": {"version": "2.4-CAPE", "started": "2023-12-01 10:00:00", "ended": "2023-12-01 10:02:10", "id": 12, "package": "zip",
    "parent_sample": {"id": 3, "md5": "pm", "sha256": "ps"}, "options": {"id": "no"},
    "machine": {"id": 12, "status": "stopped", "name": "win10", "label": "win10-ü", "platform": "windows"}},
  "behavior": {
    "processes": [{
      "process_id": 4711, "process_name": "ä.exe", "parent_id": 600, "module_path": "C:\\\\ä.exe", "first_seen": "2023-12-01 10:00:01,125",
      "calls": [{
        "timestamp": "2023-12-01 10:00:01,250", "thread_id": "4712", "caller": "0x00401f2d", "parentcaller": "0x00401010",
        "category": "process", "api": "NtProtectVirtualMemory", "status": false, "return": "0xc0000022", "pretty_return": "ACCESS_DENIED",
        "arguments": [{"name": "Protection", "value": "0x00000040", "pretty_value": "PAGE_EXECUTE_READWRITE"}, {"name": "日本", "value": "\\\\x00é😀"}],
        "repeated": 2, "id": 0
      }],
      "threads": ["4712"], "environ": {"CommandLine": "\\"C:\\\\ä.exe\\""}, "file_activities": {"read_files": ["no"]}
    }],
    "anomaly": [], "processtree": [{"name": "not.exe", "children": []}],
    "summary": {"files": ["C:\\\\ä", "b"], "read_files": ["no"], "keys": ["K"], "read_keys": ["no"], "mutexes": ["M"], "resolved_apis": ["no"]},
    "enhanced": [], "encryptedbuffers": []
  },
  "signatures": [{"name": "n", "description": "é", "categories": [], "severity": 2, "weight": 1, "data": [{"name": "no"}], "new_data": [], "families": []}],
  "debug": {"log": "x", "errors": []},
  "network": {
    "hosts": [{"ip": "198.51.100.5", "country_name": "unknown", "asn": "", "hostname": "evil.example", "inaddrarpa": "", "ports": [443]}],
    "domains": [{"domain": "evil.example", "ip": "198.51.100.5"}],
    "http": [{"count": 1, "host": "evil.example", "port": 443, "data": "GET / HTTP/1.1\\r\\n", "uri": "http://evil.example:443/", "body": "",
      "path": "/", "user-agent": "Ü", "version": "1.1", "method": "GET", "first_seen": 1701424803.5}],
    "http_ex": [{"uri": "not this"}], "dns": [{"request": "evil.example", "answers": [{"data": "no"}]}]
  },
  "malscore": 4.2,
  "ttps": [{"signature": "n", "ttps": ["T1057", "T1083", "T1057"], "mbcs": ["OB0001"]}, {"ttp": "T1012", "signature": "old"}],
  "malstatus": "Suspicious",
  "detections": [
    {"family": "ExampleRAT", "details": [{"Yara": "f1"}, {"ClamAV": "f1"}, {"Yara": "e1"}]},
    {"details": [{"Behavior": ""}], "family": "Other"}, {"family": "Bare"}
  ],
  "detections2pid": {"4711": ["ExampleRAT"]}
}`

/** What CAPE holds. */
export const CAPE_ROWS = {
  info: {
    ...{ id: '12', started: '2023-12-01 10:00:00', ended: '2023-12-01 10:02:10', machine: 'win10' },
    ...{ package: 'zip', parent: { md5: 'pm', sha256: 'ps' } },
  },
  target: { md5: 'm', sha256: 's' },
  signatures: [{ name: 'n', description: 'é', severity: '2' }],
  processes: [{ name: 'ä.exe', pid: '4711', parentPid: '600', firstSeen: '2023-12-01 10:00:01,125' }],
  calls: [
    {
      category: 'process',
      status: false,
      return: '0xc0000022',
      timestamp: '2023-12-01 10:00:01,250',
      thread_id: '4712',
      repeated: 2,
      api: 'NtProtectVirtualMemory',
      id: 0,
      arguments: [
        { name: 'Protection', value: '0x00000040' },
        { name: '日本', value: '\\x00é😀' },
      ],
      process: 'ä.exe (4711)',
    },
  ],
  files: ['C:\\ä', 'b'],
  keys: ['K'],
  mutexes: ['M'],
  verdict: { score: '4.2', status: 'Suspicious' },
  detections: [
    { family: 'ExampleRAT', engine: 'Yara' },
    { family: 'ExampleRAT', engine: 'ClamAV' },
    { family: 'Other', engine: 'Behavior' },
    { family: 'Bare', engine: '' },
  ],
  techniques: [
    { technique: 'T1057', signature: 'n' },
    { technique: 'T1083', signature: 'n' },
    { technique: 'T1012', signature: 'old' },
  ],
  configs: [
    { family: 'ExampleRAT', key: 'C2', value: '198.51.100.5:443' },
    { family: 'ExampleRAT', key: 'C2', value: 'b:1' },
    { family: 'ExampleRAT', key: 'campaign', value: '7' },
    { family: 'ExampleRAT', key: 'a.b.ports.tcp', value: '80' },
    { family: 'ExampleRAT', key: 'a.b.ports.tcp', value: '81' },
    { family: 'ExampleRAT', key: 'é', value: 'true' },
    { family: 'Other', key: '', value: 'plain' },
  ],
  hosts: ['198.51.100.5'],
  domains: [{ domain: 'evil.example', ip: '198.51.100.5' }],
  requests: [
    {
      ...{ count: 1, port: 443, body: '', uri: 'http://evil.example:443/', method: 'GET', host: 'evil.example' },
      ...{ version: '1.1', path: '/', data: 'GET / HTTP/1.1\r\n', 'user-agent': 'Ü' },
    },
  ],
  stored: [
    { kind: 'procdump', name: 'd1', md5: 'd0', sha256: 'd1', type: '', process: 'ä.exe', pid: '4711' },
    { kind: 'dropped', name: 'b.tmp', md5: 'e0', sha256: 'e1', type: '', process: '', pid: '4711,4712' },
    {
      ...{ kind: 'payload', name: 'f1', md5: 'f0', sha256: 'f1', type: 'Unpacked PE Image: 32-bit executable' },
      ...{ process: 'ä.exe', pid: '4711' },
    },
  ],
}
