import Foundation
import Testing

@testable import CrashPoints

@Suite struct CrashPointTests {
    #if DEBUG
    @Test func aPointIsDueAtItsNthPassAlone() throws {
        let first = try #require(Armed("node.swapped"))
        #expect(first.point == .nodeSwapped)
        #expect([first.isDue(), first.isDue()] == [true, false])
        let third = try #require(Armed("usage.sealed:3"))
        #expect((0..<4).map { _ in third.isDue() } == [false, false, true, false])
    }

    @Test(arguments: ["", "node", "node.swapped:", "node.swapped:0", "node.swapped:-1", "node.swapped:1:1", ":1"])
    func whatIsNoPointArmsNothing(text: String) {
        #expect(Armed(text) == nil)
    }
    #endif

    @Test func namesAreUniqueAndPlain() {
        for point in CrashPoint.allCases {
            #expect(point.rawValue.wholeMatch(of: /[a-z]+\.[a-z-]+/) != nil, "\(point.rawValue)")
        }
    }
}
