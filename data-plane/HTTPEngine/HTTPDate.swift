// The date of a head, made once a second (RFC 9110 5.6.7: IMF-fixdate).

/// Dates as heads have them.
package enum HTTPDate {
    private static let days: [StaticString] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    package static func bytes(seconds wall: Int64) -> [UInt8] {
        // A clock before 1970 is a broken one: the date is wrong then, but it is a date.
        let seconds = max(0, wall)
        let dayNumber = seconds / 86_400
        let rest = Int(seconds % 86_400)
        let date = civil(dayNumber)
        let text =
            "\(days[Int(dayNumber % 7)]), \(two(date.day)) \(months[date.month - 1]) \(date.year) "
            + "\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60)) GMT"
        return Array(text.utf8)
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Year, month and day of a day counted from 1970, after Howard Hinnant's `civil_from_days`.
    package static func civil(_ dayNumber: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = Int(dayNumber) + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
