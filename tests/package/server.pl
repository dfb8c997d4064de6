#!/usr/bin/perl
# The smallest MCP server that a bare Debian can run: one tool, which says back what it is told.
use strict;
use warnings;
$| = 1;

sub say_result {
    my ($id, $result) = @_;
    print qq({"jsonrpc":"2.0","id":$id,"result":$result}\n);
}

while (my $line = <STDIN>) {
    my ($id) = $line =~ /"id":("[^"]*"|\d+)/ or next;
    if ($line =~ /"method":"initialize"/) {
        say_result($id, '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}');
    } elsif ($line =~ m{"method":"tools/list"}) {
        say_result($id, '{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}');
    } elsif ($line =~ m{"method":"tools/call"}) {
        my ($text) = $line =~ /"text":"([^"]*)"/;
        say_result($id, qq({"content":[{"type":"text","text":"$text"}]}));
    } elsif ($line =~ /"method":"ping"/) {
        say_result($id, '{}');
    } else {
        print qq({"jsonrpc":"2.0","id":$id,"error":{"code":-32601,"message":"no such method"}}\n);
    }
}
